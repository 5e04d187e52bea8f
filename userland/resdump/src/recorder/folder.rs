// SPDX-License-Identifier: MIT

//! The folder of a recording, where there was none before.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// A folder, made where there was none. What was made goes again with this, unless something is in it then.
#[derive(Debug)]
pub struct Folder {
    /// In the order in which they were made.
    made: Vec<PathBuf>,
}

impl Folder {
    /// Makes `path`, and the folders that it is in.
    pub fn make(path: &Path) -> io::Result<Self> {
        let is_missing = |folder: &&Path| {
            let is_empty = folder.as_os_str().is_empty();
            !is_empty && fs::symlink_metadata(folder).is_err()
        };
        let missing = path.ancestors().take_while(is_missing);
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        let folder = Self { made: missing };
        fs::create_dir_all(path)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // Another recorder may have taken it meanwhile: it is that one's then. The lock is held until it is gone.
            let Ok(it) = File::open(folder) else { return };
            if it.try_lock().is_err() || fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_again_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let path = |name: &str| outer.path().join(name);
        fs::create_dir(path("a")).unwrap();
        drop(Folder::make(&path("a/b/c")).unwrap());
        assert!(path("a").exists() && !path("a/b").exists());
        drop(Folder::make(&path("a")).unwrap());
        assert!(path("a").exists());
        let kept = Folder::make(&path("a/b/c")).unwrap();
        fs::write(path("a/b/file"), "").unwrap();
        drop(kept);
        assert!(path("a/b/file").exists() && !path("a/b/c").exists());
        // One that is not made any more leaves nothing of the way there.
        fs::write(path("file"), "").unwrap();
        Folder::make(&path("file/b")).unwrap_err();
        assert_eq!(fs::read(path("file")).unwrap(), b"");
    }

    #[test]
    fn a_folder_that_another_has_taken_stays() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a");
        let folder = Folder::make(&path).unwrap();
        let lock = File::open(&path).unwrap();
        lock.lock().unwrap();
        drop(folder);
        assert!(path.exists());
    }
}
