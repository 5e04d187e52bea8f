// SPDX-License-Identifier: MIT

//! Files that this program makes by itself beside those that a person named, and renames when they are
//! whole: in a folder that others can write to, somebody may have put a link there.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Mode of a file that is made: what was in memory, and what is known of it, is for its owner's eyes.
const MODE: u32 = 0o600;

/// An empty file at `path` in place of what has that name: a link is removed, and not followed.
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_a_link_names_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, &link).unwrap();
        create(&link).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert_eq!(fs::symlink_metadata(&link).unwrap().len(), 0);
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn a_file_that_others_could_read_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
