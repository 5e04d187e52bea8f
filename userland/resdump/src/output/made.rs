// SPDX-License-Identifier: MIT

//! Files that this program has made, and takes away unless they are kept: when they go out of use,
//! and when the program ends at once.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use tempfile::TempPath;

use super::{Identity, folder};
use crate::{
    error::errno_of,
    signals::{self, AtOnce},
    text,
};

/// Mode of a file that is made: what was in memory is for its owner's eyes.
pub(super) const MODE: u32 = 0o600;

/// A name that this program has given to a file, in a folder that others use as well.
#[derive(Debug)]
pub(super) struct Made {
    path: PathBuf,
    identity: Identity,
    at_once: Option<AtOnce>,
}

impl Made {
    /// Of the open `file`, which was made at `path` just now.
    pub(super) fn new(path: &Path, file: &File) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            identity: Identity::of(file)?,
            at_once: None,
        })
    }

    /// Takes it away also when the program ends at once.
    pub(super) fn remove_at_once(&mut self) {
        let (path, identity) = (self.path.clone(), self.identity.clone());
        self.at_once = Some(signals::at_once(move || remove(&path, &identity)));
    }

    /// It stays.
    pub(super) fn keep(mut self) {
        self.at_once = None;
        self.path = PathBuf::new();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.path != Path::new("") {
            remove(&self.path, &self.identity);
        }
    }
}

/// Takes the file away if that is still its name.
fn remove(path: &Path, identity: &Identity) {
    if Identity::named(path).is_ok_and(|named| named.is(identity)) {
        log::debug!("removing {}", text::name(path));
        if let Err(error) = fs::remove_file(path) {
            log::warn!("{}: {error}", text::name(path));
        }
    }
}

/// A file under a name that nothing had, for its owner's eyes, that goes away unless it is given
/// another name.
#[derive(Debug)]
pub(super) struct Temporary {
    path: TempPath,
    _at_once: AtOnce,
}

impl Temporary {
    /// In the folder of `path`.
    pub(super) fn beside(path: &Path) -> io::Result<(File, Self)> {
        folder::expect_removable(path)?;
        let (file, name) = tempfile::Builder::new()
            .prefix(".resdump-")
            .make_in(folder::of(path), |name| {
                File::options()
                    .write(true)
                    .create_new(true)
                    .mode(MODE)
                    .open(name)
            })?
            .into_parts();
        let temporary = name.to_path_buf();
        let at_once = signals::at_once(move || {
            let _ = fs::remove_file(&temporary);
        });
        Ok((
            file,
            Self {
                path: name,
                _at_once: at_once,
            },
        ))
    }

    /// Room without a name, as long as it is open.
    pub(super) fn without_name(path: &Path) -> io::Result<File> {
        tempfile::tempfile_in(folder::of(path))
    }

    /// What it is called until then.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it this name, in place of what has it.
    pub(super) fn replace(self, path: &Path) -> io::Result<()> {
        self.path.persist(path).map_err(|failed| failed.error)
    }

    /// Gives it this name; `EEXIST` if something has it.
    pub(super) fn name(self, path: &Path) -> io::Result<()> {
        let Err(failed) = self.path.persist_noclobber(path) else {
            return Ok(());
        };
        match errno_of(&failed.error) {
            // Some file systems know neither links nor a rename that overwrites nothing.
            Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS
                if fs::symlink_metadata(path).is_err() =>
            {
                failed.path.persist(path).map_err(|error| error.error)
            }
            _ => Err(failed.error),
        }
    }
}
