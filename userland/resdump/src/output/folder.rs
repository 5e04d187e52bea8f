// SPDX-License-Identifier: MIT

//! The folder that a file is in.

use std::{fs::File, io, path::Path};

/// The folder of `path`.
pub(super) fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes the names in the folder of `path` durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(of(path))?.sync_all()
}
