// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A job that a worker does, its owner may stop, and any thread may watch: plain `core` code.
//!
//! Included by the module, and by a test of the `kmod-tests` crate as [`crate::inflight`] is.
//!
//! No lock is taken here.

use crate::sync::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

/// Where a job is. Runs once.
pub(crate) struct Job {
    cancelled: Atomic<bool>,
    ended: Atomic<bool>,
    /// Bytes done, and the errno that ended it; valid at any time, final once `ended`.
    bytes: Atomic<usize>,
    error: Atomic<i32>,
}

/// What is seen of a job.
#[derive(Clone, Copy)]
pub(crate) struct Status {
    pub(crate) ended: bool,
    pub(crate) bytes: usize,
    pub(crate) error: i32,
}

impl Job {
    pub(crate) fn new() -> Self {
        Self {
            cancelled: Atomic::new(false),
            ended: Atomic::new(false),
            bytes: Atomic::new(0),
            error: Atomic::new(0),
        }
    }

    /// Asks the worker to stop, and does not wait for that.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether the worker shall stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// The worker has done so many bytes.
    pub(crate) fn advance(&self, bytes: usize) {
        self.bytes.store(bytes, Relaxed);
    }

    /// The worker is done, with a negative errno or 0. Gives `buffer` back, and notifies
    /// watchers after that.
    pub(crate) fn end<B>(&self, buffer: B, error: i32, notify: impl FnOnce()) {
        self.error.store(error, Relaxed);
        drop(buffer);
        self.ended.store(true, Release);
        notify();
    }

    /// Whether the worker is done, and has given its buffer back. A thread that wants to be
    /// woken by `notify` otherwise registers before it asks.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    pub(crate) fn status(&self) -> Status {
        // First: what is loaded after it is final if it is true.
        let ended = self.has_ended();
        Status {
            ended,
            bytes: self.bytes.load(Relaxed),
            error: self.error.load(Relaxed),
        }
    }
}
