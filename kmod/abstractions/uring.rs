// SPDX-License-Identifier: GPL-2.0

//! A command on a file of ours by io_uring, and fixed buffers that it asks for.
//!
//! Lock order: registering a buffer takes the ring's lock, unless the command is issued with it held; no lock of ours is
//! held then.

use core::marker::PhantomData;

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
}
