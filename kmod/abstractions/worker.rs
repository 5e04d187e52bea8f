// SPDX-License-Identifier: GPL-2.0

//! Work in the background that can be waited for.
//!
//! Waiting for work is like taking its locks: what it takes must not be held.

use kernel::{
    bindings,
    sync::Arc,
    workqueue::{
        HasWork,
        Queue,
        Work,
        WorkItem, //
    }, //
};

/// Has a kernel worker run `item`, unless it is queued already.
pub(crate) fn start<T>(item: Arc<T>)
where
    T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static,
{
    // SAFETY: A C global, set at boot, never freed.
    let queue = unsafe { Queue::from_raw(bindings::system_dfl_wq) };
    let _ = queue.enqueue(item);
}

/// Waits until no worker runs `item`, or has it queued, any more: all have left the module's code, which
/// may be unloaded after that. Sleeps.
pub(crate) fn flush<T>(item: &T)
where
    T: WorkItem<Pointer = Arc<T>> + HasWork<T>,
{
    // SAFETY: `item` is valid, so its field is; it was initialised when `item` was made, and stays while
    // we are borrowed.
    unsafe {
        let work = T::raw_get_work(core::ptr::from_ref(item).cast_mut());
        bindings::flush_work(Work::raw_get(work));
    }
}
