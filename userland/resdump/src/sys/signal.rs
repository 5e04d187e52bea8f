// SPDX-License-Identifier: MIT

//! What becomes of a signal.

use std::{io, mem::MaybeUninit, ptr};

use nix::libc;

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
