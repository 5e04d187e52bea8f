// SPDX-License-Identifier: MIT

//! Other processes, by a descriptor that stays that of one process.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{errno::Errno, libc};

/// A descriptor of the process that has the number `process` now. `ESRCH` when there is none, `ENOSYS` before Linux 5.3.
pub fn open(process: i32) -> io::Result<OwnedFd> {
    // SAFETY: No memory is passed.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    // SAFETY: The call has made it, and it is known here alone. Descriptors are small numbers.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal. `ESRCH` when the process has ended, `EPERM`.
pub fn signal(process: &OwnedFd, signal: i32) -> io::Result<()> {
    let fd = process.as_raw_fd();
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: The descriptor is open; without information of ours the kernel takes that of `kill`.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, nothing, 0) };
    Errno::result(sent)?;
    Ok(())
}
