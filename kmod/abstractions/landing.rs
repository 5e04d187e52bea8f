// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where the result of a request lands: how a callback hands it over to the thread that waits.
//!
//! Plain `core` code: included by the module, and by a test of the `kmod-tests` crate that has stand-ins
//! for `super::sync` and tries every interleaving of submitter, callbacks and a signal.
//!
//! No lock is taken here. [`leave`] may run in interrupt context.

use super::sync::{
    Completion,
    HandOver, //
};

/// Ends the request of a slot: leaves its result, and returns what the caller is to complete, as the last
/// that it does with the slot, which may be gone before that returns. Any context.
///
/// # Safety
///
/// The request is in flight, and this is the one call that ends it.
pub(crate) unsafe fn leave<'a>(
    result: &HandOver<isize>,
    done: &'a Completion,
    value: isize,
) -> &'a Completion {
    // SAFETY: The waiter does not touch it until `done` is completed, which follows.
    unsafe { result.set(value) };
    done
}

/// Waits for the request of a slot. Sleeps. `None` when `interruptible` and a signal came first.
///
/// # Safety
///
/// A request is in flight that [`leave`] ends, and nothing else waits for it.
pub(crate) unsafe fn wait(
    result: &HandOver<isize>,
    done: &Completion,
    interruptible: bool,
) -> Option<isize> {
    if !done.wait(interruptible) {
        return None;
    }
    // SAFETY: `leave` has run, which set it first.
    Some(unsafe { result.get() })
}
