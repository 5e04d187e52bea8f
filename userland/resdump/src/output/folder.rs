// SPDX-License-Identifier: MIT

//! The folder that a file is in.

use std::{fs::File, io, path::Path};

use nix::errno::Errno;

use crate::sys;

/// The folder of `path`.
pub(super) fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Fails with `EPERM` if what is made in the folder of `path` could not be taken away again.
pub(super) fn expect_removable(path: &Path) -> io::Result<()> {
    match sys::file::is_append_only(&File::open(of(path))?) {
        true => Err(Errno::EPERM.into()),
        false => Ok(()),
    }
}

/// Makes the names in the folder of `path` durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(of(path))?.sync_all()
}
