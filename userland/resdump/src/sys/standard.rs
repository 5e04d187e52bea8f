// SPDX-License-Identifier: MIT

//! The standard descriptors. Rust's runtime opens `/dev/null` for those that are closed when a program
//! starts; whether they were is looked up before that, by the binary.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{errno::Errno, libc};

static WITHOUT_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Notes whether standard output is open for writing: Rust's `stdout()` takes `EBADF` for success. To be called before
/// Rust's runtime begins: it makes a system call and stores a flag, nothing else.
pub extern "C" fn look() {
    // SAFETY: It looks at a descriptor, which need not be open; no memory is passed.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFL) };
    let is_open = flags >= 0 && flags & libc::O_ACCMODE != libc::O_RDONLY;
    WITHOUT_OUTPUT.store(!is_open, Ordering::Relaxed);
}

/// `EBADF` when this program was started without a standard output that can be written to.
pub fn output() -> io::Result<()> {
    match WITHOUT_OUTPUT.load(Ordering::Relaxed) {
        true => Err(Errno::EBADF.into()),
        false => Ok(()),
    }
}
