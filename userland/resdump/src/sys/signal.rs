// SPDX-License-Identifier: MIT

//! What becomes of a signal.

use std::{
    io,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    libc,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction},
};

/// Whether this process ignores `signal`, as one that `nohup` has started ignores SIGHUP.
pub fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: No action is set; there is room for the present one.
    if unsafe { libc::sigaction(signal as i32, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The call has filled it in, and it was zeroed before; it holds integers and an address
    // that may be null.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// Ignores `signal`.
pub fn ignore(signal: Signal) -> io::Result<()> {
    set(signal, SigHandler::SigIgn)
}

/// Has `signal` do nothing but interrupt a system call.
pub fn only_interrupt(signal: Signal) -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    set(signal, SigHandler::Handler(nothing))
}

/// Whether a signal that is noted has come.
pub static NOTED: AtomicBool = AtomicBool::new(false);

/// Has `signal` noted in [`NOTED`]; it interrupts a system call as well.
pub fn note(signal: Signal) -> io::Result<()> {
    extern "C" fn noted(_: libc::c_int) {
        NOTED.store(true, Ordering::Relaxed);
    }
    set(signal, SigHandler::Handler(noted))
}

/// `handler` is none, or one that may interrupt whatever runs.
fn set(signal: Signal, handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: What the callers give as handler calls nothing, and touches no memory but an atomic.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// Ends this process by `signal`, as if it were not handled. Returns where that is not possible.
pub fn end_by(signal: Signal) {
    if set(signal, SigHandler::SigDfl).is_ok() {
        let mut only = SigSet::empty();
        only.add(signal);
        let _ = only.thread_unblock();
        let _ = raise(signal);
    }
}

/// Ends this process at once with `status`: nothing that was to be done at its end is done.
pub fn end(status: i32) -> ! {
    // SAFETY: It takes a number and does not return.
    unsafe { libc::_exit(status) }
}
