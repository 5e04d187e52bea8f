// SPDX-License-Identifier: GPL-2.0

//! What [`super::landing`] and [`crate::job`] share between contexts, made of the kernel's own.
//!
//! Their test on the host has a file of the same name, made of a model checker's.
//!
//! Lock order: a completion takes its own spin lock, last.

use core::{
    cell::UnsafeCell,
    marker::PhantomPinned, //
};

use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

pub(crate) use kernel::sync::atomic::{
    ordering::{
        Acquire,
        Relaxed,
        Release, //
    },
    Atomic, //
};

/// A completion that is completed once and waited for once, then again.
///
/// `kernel::sync::Completion` completes for all waiters to come, and its wait cannot be interrupted.
#[pin_data]
pub(crate) struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A completion may be used by any thread.
unsafe impl Send for Completion {}
// SAFETY: It has its own lock.
unsafe impl Sync for Completion {}

impl Completion {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is valid for writes.
                unsafe { bindings::init_completion(slot) };
            }),
        })
    }

    /// What C code completes.
    pub(crate) fn as_raw(&self) -> *mut bindings::completion {
        self.inner.get()
    }

    /// Any context. The completion may be gone before this returns.
    pub(crate) fn complete(&self) {
        // SAFETY: Initialised by `new`; the waiter does not return before the last access.
        unsafe { bindings::complete(self.inner.get()) };
    }

    /// Sleeps until it is completed; `false` when `interruptible` and a signal came first, or a tracer or
    /// the freezer of a control group wants the process. A system that suspends freezes it where it is.
    pub(crate) fn wait(&self, interruptible: bool) -> bool {
        // SAFETY: Initialised by `new`.
        unsafe {
            if interruptible {
                let state = bindings::TASK_INTERRUPTIBLE | bindings::TASK_FREEZABLE;
                bindings::wait_for_completion_state(self.inner.get(), state) == 0
            } else {
                bindings::wait_for_completion(self.inner.get());
                true
            }
        }
    }
}

/// A value that one context leaves for another; something else notifies that.
///
/// Pinned, so that a mutable reference to what it lies in does not say that there is no other.
pub(crate) struct HandOver<T>(UnsafeCell<T>, PhantomPinned);

// SAFETY: `set` and `get` are unsafe, and their callers exclude a race.
unsafe impl<T: Send> Sync for HandOver<T> {}

impl<T: Copy> HandOver<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value), PhantomPinned)
    }

    /// # Safety
    ///
    /// Nothing else accesses the value at the same time.
    pub(crate) unsafe fn set(&self, value: T) {
        // SAFETY: By our own requirements.
        unsafe { *self.0.get() = value };
    }

    /// # Safety
    ///
    /// Nothing sets the value at the same time.
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: By our own requirements.
        unsafe { *self.0.get() }
    }
}
