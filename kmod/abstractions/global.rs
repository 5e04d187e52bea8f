// SPDX-License-Identifier: GPL-2.0

//! A mutex in a static, which cannot be used before it is initialised.
//!
//! `kernel::sync::global_lock!` has two unsafe promises made by its user instead.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Mutex, //
    },
    types::Opaque, //
};

const NEW: u32 = 0;
const STARTED: u32 = 1;
const READY: u32 = 2;

/// A mutex that lives as long as the module.
///
/// What it protects is not dropped when the module goes: its user leaves it without allocations.
///
/// # Invariants
///
/// `state` only grows. One thread takes it from `NEW` to `STARTED`, and initialises `mutex` before it
/// takes it to `READY`; from then on `mutex` is initialised.
pub(crate) struct Global<T> {
    state: Atomic<u32>,
    mutex: Opaque<Mutex<T>>,
}

// SAFETY: What is shared is a mutex, and `state`.
unsafe impl<T: Send> Sync for Global<T> {}

impl<T> Global<T> {
    /// Not initialised.
    pub(crate) const fn new() -> Self {
        Self {
            state: Atomic::new(NEW),
            mutex: Opaque::uninit(),
        }
    }

    /// Initialises it; `EBUSY` for all but the first call.
    pub(crate) fn init(&'static self, mutex: impl PinInit<Mutex<T>>) -> Result {
        if self.state.cmpxchg(NEW, STARTED, Relaxed).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariants no other thread uses it yet; it is static, so it does not move.
        // The initialiser cannot fail.
        unsafe { pin_init::raw_init(self.mutex.get(), mutex) };
        self.state.store(READY, Release);
        Ok(())
    }

    /// Locks it. Sleeps. `ENODEV` before it is initialised.
    pub(crate) fn lock(&'static self) -> Result<Guard<'static, T, MutexBackend>> {
        if self.state.load(Acquire) != READY {
            return Err(ENODEV);
        }
        // SAFETY: By the type invariants it is initialised, and is shared from now on.
        Ok(unsafe { &*self.mutex.get() }.lock())
    }
}
