// SPDX-License-Identifier: GPL-2.0

//! An eventfd that is signalled at the end of something.
//!
//! Lock order: signalling takes the eventfd's own spin lock, last.

use core::ptr::NonNull;

use kernel::{
    ffi::c_void,
    prelude::*, //
};

use super::ffi;

/// A reference to an eventfd.
///
/// # Invariants
///
/// The pointer is a `struct eventfd_ctx` that we hold a reference to.
pub(crate) struct EventFd(NonNull<c_void>);

// SAFETY: An eventfd may be signalled and given back by any thread.
unsafe impl Send for EventFd {}
// SAFETY: As above; signalling takes its own lock.
unsafe impl Sync for EventFd {}

impl EventFd {
    /// Looks up descriptor `fd` of the calling process; `EBADF` if it is no eventfd.
    pub(crate) fn new(fd: i32) -> Result<Self> {
        // SAFETY: Any number may be asked for.
        let context = unsafe { ffi::resmem_eventfd_get(fd) };
        // INVARIANT: It was just referenced.
        NonNull::new(context).map(Self).ok_or(EBADF)
    }

    /// Adds 1 to its counter. Any context.
    pub(crate) fn signal(&self) {
        // SAFETY: Valid by the type invariants.
        unsafe { ffi::resmem_eventfd_signal(self.0.as_ptr()) };
    }
}

impl Drop for EventFd {
    fn drop(&mut self) {
        // SAFETY: We hold a reference, and give it back once.
        unsafe { ffi::resmem_eventfd_put(self.0.as_ptr()) };
    }
}
