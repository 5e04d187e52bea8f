// SPDX-License-Identifier: MIT

//! Takes a file for this process, until it is closed.

#![forbid(unsafe_code)]

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use nix::errno::Errno;

use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
};

/// Two that write to one file would overwrite each other: the second is refused, whatever was
/// permitted. Of a device the kernel does that, and where it is told not to, two may write to different
/// places.
pub(super) fn take(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ExitCode::Target,
            "target is in use",
            path.display(),
            Errno::EBUSY,
            "another dump writes to it: wait for its end, or take another target",
        )),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            log::info!("{}: no lock: {error}", path.display());
            Ok(())
        }
    }
}
