// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where the result of a request lands: how a callback hands it over to the thread that waits.
//!
//! Plain `core` code: included by the module, and by a test of the `resmem-abi` crate that has stand-ins
//! for `super::sync` and tries every interleaving of submitter, callbacks and a signal.
//!
//! No lock is taken here. [`finish`] may run in interrupt context.

use super::sync::{
    Completion,
    HandOver, //
};

/// Ends the request of a slot: leaves its result and wakes the waiter. Any context.
///
/// # Safety
///
/// The request is in flight, and this is the one call that ends it. The slot may be used for
/// something else, or be gone, before it returns.
pub(crate) unsafe fn finish(result: &HandOver<isize>, done: &Completion, value: isize) {
    // SAFETY: The waiter keeps off until `done` says so, which is the last access.
    unsafe { result.set(value) };
    done.complete();
}

/// Waits for the request of a slot. Sleeps. `None` when `interruptible` and a signal came first.
///
/// # Safety
///
/// A request is in flight that [`finish`] ends, and nobody else waits for it.
pub(crate) unsafe fn wait(
    result: &HandOver<isize>,
    done: &Completion,
    interruptible: bool,
) -> Option<isize> {
    if !done.wait(interruptible) {
        return None;
    }
    // SAFETY: `finish` has run, which set it first.
    Some(unsafe { result.get() })
}
