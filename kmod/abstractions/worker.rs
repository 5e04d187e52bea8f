// SPDX-License-Identifier: GPL-2.0

//! Work in the background that can be waited for.
//!
//! Waiting for work is like taking its locks: what it takes must not be held.

use kernel::{
    bindings,
    ffi::c_int,
    sync::Arc,
    time::msecs_to_jiffies,
    workqueue::{
        HasDelayedWork,
        HasWork,
        Queue,
        Work,
        WorkItem, //
    }, //
};

const ANY_CPU: c_int = bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int;

/// Has a kernel worker run `item`, unless it is queued already.
pub(crate) fn start<T>(item: Arc<T>)
where
    T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static,
{
    // SAFETY: A C global, set at boot, never freed.
    let queue = unsafe { Queue::from_raw(bindings::system_dfl_wq) };
    let _ = queue.enqueue(item);
}

/// Has a kernel worker run `item` in `delay` milliseconds. One that was to run it at another time does it then.
pub(crate) fn start_later<T, const ID: u64>(item: &Arc<T>, delay: u64)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID> + Send + Sync + 'static,
{
    let delay = msecs_to_jiffies(u32::try_from(delay).unwrap_or(u32::MAX));
    let pointer = Arc::into_raw(item.clone());
    // SAFETY: `pointer` is valid, so its field is, and it was initialised when the item was made. The queue is a C
    // global, set at boot, never freed. What is queued owns the reference, and its function takes that back; what was
    // queued already owns another, and we take ours back here.
    unsafe {
        let work = delayed(pointer);
        if bindings::mod_delayed_work_on(ANY_CPU, bindings::system_dfl_wq, work, delay) {
            drop(Arc::from_raw(pointer));
        }
    }
}

/// Waits until no worker runs `item`, or has it queued, any more: all have left the module's code, which
/// may be unloaded after that. Sleeps.
pub(crate) fn flush<T, const ID: u64>(item: &T)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID>,
{
    // SAFETY: `item` is valid, so its field is; it was initialised when `item` was made, and stays while
    // we are borrowed.
    unsafe {
        let work = T::raw_get_work(core::ptr::from_ref(item).cast_mut());
        bindings::flush_work(Work::raw_get(work));
    }
}

/// As [`flush`], for what may be going to run later: it runs now.
pub(crate) fn flush_delayed<T, const ID: u64>(item: &T)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID>,
{
    // SAFETY: As above.
    unsafe {
        bindings::flush_delayed_work(delayed(item));
    }
}

/// The C side of an item.
///
/// # Safety
///
/// `item` is valid.
unsafe fn delayed<T, const ID: u64>(item: *const T) -> *mut bindings::delayed_work
where
    T: HasDelayedWork<T, ID>,
{
    // SAFETY: By our own requirements; what a `HasDelayedWork` has is the field of a `delayed_work`.
    unsafe {
        let work = Work::raw_get(T::raw_get_work(item.cast_mut()));
        kernel::container_of!(work, bindings::delayed_work, work)
    }
}
