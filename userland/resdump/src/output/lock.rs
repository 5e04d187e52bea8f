// SPDX-License-Identifier: MIT

//! Takes a file for this process, until it is closed.

#![forbid(unsafe_code)]

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use nix::errno::Errno;

use super::meanwhile;
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    sys, text,
};

/// Takes the open `file`, whose name is `path`. Two that write to one file would overwrite each other: the
/// second is refused, whatever was permitted.
pub(super) fn take(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        // The run that had it may have put another in its place, or taken it away.
        Ok(()) => meanwhile::is_named(file, path).map_err(|_| in_use(path)),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            log::info!("{}: no lock: {error}", text::name(path));
            Ok(())
        }
    }
}

/// Takes part of a device. The kernel refuses a second that opens it without force; with force two may write
/// to different places of it, and not to the same.
pub(super) fn take_part(device: &File, path: &Path, offset: u64, length: u64) -> Result<()> {
    match sys::file::lock_range(device, offset, length) {
        Err(Errno::EAGAIN | Errno::EACCES) => Err(in_use(path)),
        Err(errno) => {
            log::info!("{}: no lock: {errno}", text::name(path));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn in_use(path: &Path) -> Error {
    Error::new(
        ExitCode::Target,
        "target is in use",
        text::name(path),
        Errno::EBUSY,
        "another dump writes to it: wait for its end, or take another target",
    )
}
