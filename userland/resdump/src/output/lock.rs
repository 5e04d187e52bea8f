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
};

/// Takes the open `file`, whose name is `path`. Two that write to one file would overwrite each other: the
/// second is refused, whatever was permitted. Of a device the kernel does that, and where it is told not
/// to, two may write to different places.
pub(super) fn take(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        // The run that had it may have put another in its place, or taken it away.
        Ok(()) => meanwhile::is_named(file, path).map_err(|_| in_use(path)),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            log::info!("{}: no lock: {error}", path.display());
            Ok(())
        }
    }
}

fn in_use(path: &Path) -> Error {
    Error::new(
        ExitCode::Target,
        "target is in use",
        path.display(),
        Errno::EBUSY,
        "another dump writes to it: wait for its end, or take another target",
    )
}
