// SPDX-License-Identifier: GPL-2.0

//! A command on a file of ours by io_uring, and fixed buffers that it asks for.
//!
//! Lock order: registering a buffer takes the ring's lock, unless the command is issued with it held; no lock of ours is
//! held then.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    transmute::FromBytes, //
};

use super::{
    bvec::Span,
    ffi, //
};

/// A command that is being issued.
///
/// # Invariants
///
/// `raw` is valid for `'a`, and `issue_flags` are those that io_uring issues it with.
pub(crate) struct Command<'a> {
    raw: *mut bindings::io_uring_cmd,
    issue_flags: c_uint,
    _issued: PhantomData<&'a ()>,
}

impl Command<'_> {
    /// # Safety
    ///
    /// `raw` is a command that is being issued with `issue_flags`, for as long as the value lives.
    pub(super) unsafe fn from_raw(raw: *mut bindings::io_uring_cmd, issue_flags: c_uint) -> Self {
        // INVARIANT: By our own requirements.
        Self {
            raw,
            issue_flags,
            _issued: PhantomData,
        }
    }

    /// Which command.
    pub(crate) fn operation(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { ffi::resmem_uring_operation(self.raw) }
    }

    /// Whether it is issued with the ring's lock held, on behalf of a process that does not want to wait.
    /// `EAGAIN` has it issued again by a worker, without that lock.
    pub(crate) fn must_not_block(&self) -> bool {
        self.issue_flags & ffi::RESMEM_URING_NONBLOCK != 0
    }

    /// The argument of 16 bytes, copied once: the process may change its own copy meanwhile.
    pub(crate) fn argument<T: FromBytes + Default>(&self) -> T {
        const { assert!(size_of::<T>() == 16 && align_of::<T>() == 8) };
        let mut argument = T::default();
        // SAFETY: Valid by the type invariants; the argument is two words of 64 bits, aligned as such, and
        // any of their values is one of a `T`.
        unsafe { ffi::resmem_uring_argument(self.raw, (&raw mut argument).cast()) };
        argument
    }

    /// Makes the bytes of `span` entry `index` of the ring's fixed buffers, which can be written from. The
    /// ring holds the command's file open for as long as it has the buffer.
    ///
    /// Errors: `EINVAL` for an index beyond the ring's table, `EBUSY` for an entry in use, `EOPNOTSUPP` from a
    /// kernel without io_uring's kernel buffers.
    pub(crate) fn register(&self, span: &Span, index: u32) -> Result {
        let bvec = span.as_bvec();
        // SAFETY: Valid by the type invariants. The vector is copied; what it describes stays valid by the
        // invariants of `Span`.
        to_result(unsafe { ffi::resmem_uring_register(self.raw, &bvec, index, self.issue_flags) })
    }

    /// Whether this is no new command, but the end of one that is held.
    pub(crate) fn is_cancel(&self) -> bool {
        self.issue_flags & ffi::RESMEM_URING_CANCEL != 0
    }

    /// Keeps the command after it was issued: it is to be completed, and to be answered with `EIOCBQUEUED`. When its
    /// ring or process ends it is asked for again, as [`Self::is_cancel`]. Takes the ring's lock, unless that is held.
    /// `EOPNOTSUPP` from a kernel without io_uring.
    pub(crate) fn hold(&self) -> Result<Held> {
        // SAFETY: Valid by the type invariants.
        to_result(unsafe { ffi::resmem_uring_cancel_later(self.raw, self.issue_flags) })?;
        // INVARIANT: By what is to be answered it stays valid until it is done.
        NonNull::new(self.raw).map(Held).ok_or(EINVAL)
    }

    /// Whether it is the one that is held.
    pub(crate) fn is(&self, held: &Held) -> bool {
        self.raw == held.0.as_ptr()
    }
}

/// A command that was issued, and has to be completed.
///
/// # Invariants
///
/// The command is valid, and is completed here alone.
pub(crate) struct Held(NonNull<bindings::io_uring_cmd>);

// SAFETY: A command may be completed by any thread.
unsafe impl Send for Held {}
// SAFETY: Nothing can be done by a shared reference.
unsafe impl Sync for Held {}

impl Held {
    /// Completes it. To be called without the lock of a ring, which it takes, and not where that would be taken
    /// first.
    pub(crate) fn done(self, result: Result) {
        let result = result.map_or_else(|error| error.to_errno(), |()| 0);
        self.complete(result, ffi::RESMEM_URING_UNLOCKED);
    }

    /// Completes it while `by` is being issued: itself, or what cancels it.
    pub(crate) fn end(self, result: Result, by: &Command<'_>) {
        let result = result.map_or_else(|error| error.to_errno(), |()| 0);
        self.complete(result, by.issue_flags);
    }

    fn complete(self, result: c_int, issue_flags: c_uint) {
        // SAFETY: By the type invariants; that is the end of it and of us.
        unsafe { ffi::resmem_uring_done(self.0.as_ptr(), result, issue_flags) };
    }
}
