// SPDX-License-Identifier: MIT

//! What becomes of a signal.

use std::{io, mem::MaybeUninit, ptr};

use nix::{
    libc,
    sys::signal::{SigSet, Signal, raise},
};

/// Whether this process ignores `signal`, as one that `nohup` has started ignores SIGHUP.
pub fn is_ignored(signal: i32) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: No action is set; there is room for the present one.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The call has filled it in, and it was zeroed before; it holds integers and an address
    // that may be null.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// Ends this process by `signal`, as if it were not handled. Returns where that is not possible.
pub fn end_by(signal: i32) {
    // All zero is the default, without flags.
    let default = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: The structure is initialised, and holds no handler that could run.
    let set = unsafe { libc::sigaction(signal, default.as_ptr(), ptr::null_mut()) };
    let Ok(signal) = Signal::try_from(signal) else {
        return;
    };
    if set == 0 {
        let mut only = SigSet::empty();
        only.add(signal);
        let _ = only.thread_unblock();
        let _ = raise(signal);
    }
}
