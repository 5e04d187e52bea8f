// SPDX-License-Identifier: GPL-2.0

//! What may be asked of the current process at any time.

use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

use super::ffi;

/// Whether the process may reach physical memory as such: `CAP_SYS_RAWIO` and no integrity lockdown,
/// as for `/dev/mem`; `EPERM` otherwise.
pub(crate) fn may_reach_raw_memory() -> Result {
    // SAFETY: Both may be called by any process at any time.
    unsafe {
        if !bindings::capable(bindings::CAP_SYS_RAWIO as c_int) {
            return Err(EPERM);
        }
        to_result(ffi::security_locked_down(
            bindings::lockdown_reason_LOCKDOWN_DEV_MEM,
        ))
    }
}

/// Whether the process will die before it returns to user space.
pub(crate) fn is_being_killed() -> bool {
    // SAFETY: May be asked at any time.
    unsafe { ffi::resmem_fatal_signal_pending() }
}

/// Whether one more line about what a user did may go to the kernel's log: at most ten in five seconds.
pub(crate) fn may_log() -> bool {
    // SAFETY: May be asked at any time.
    unsafe { ffi::resmem_may_log() }
}
