// SPDX-License-Identifier: MIT

//! The standard descriptors.

use std::{
    io,
    os::fd::{AsRawFd, IntoRawFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::stat::Mode,
};

static WITHOUT_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Notes whether standard output is open for writing (Rust's `stdout()` takes `EBADF` for success), and opens
/// `/dev/null` for those that are closed, so that no file takes their place. Called first of all.
pub fn ready() -> io::Result<()> {
    const ALL: [RawFd; 3] = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];
    for descriptor in ALL {
        // SAFETY: It looks at a descriptor, which need not be open; no memory is passed.
        let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
        if descriptor == libc::STDOUT_FILENO {
            let is_open = flags >= 0 && flags & libc::O_ACCMODE != libc::O_RDONLY;
            WITHOUT_OUTPUT.store(!is_open, Ordering::Relaxed);
        }
        if flags < 0 {
            // The lowest that is free is this one.
            let null = open("/dev/null", OFlag::O_RDWR, Mode::empty())?;
            debug_assert_eq!(null.as_raw_fd(), descriptor);
            let _ = null.into_raw_fd();
        }
    }
    Ok(())
}

/// `EBADF` when this program was started without a standard output that can be written to.
pub fn output() -> io::Result<()> {
    match WITHOUT_OUTPUT.load(Ordering::Relaxed) {
        true => Err(Errno::EBADF.into()),
        false => Ok(()),
    }
}
