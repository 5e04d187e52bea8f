// SPDX-License-Identifier: MIT

//! Where a dump goes to: a regular file or a block device, opened for direct I/O.

#![forbid(unsafe_code)]

use std::{
    fs::{File, TryLockError},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
};
use serde::Serialize;

use crate::{
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    size,
    span::{Alignment, Plan, Span},
    sys,
};

mod folder;
pub mod fresh;
mod meanwhile;
mod mounts;
mod open;
mod place;

pub use folder::sync_folder;
pub use meanwhile::Holes;
pub use place::Place;

/// What kind of file a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file: it grows, and its length is exact at the end.
    File,
    /// A block device: its size is given.
    Block,
    /// Standard output or a connection: it can only be added to.
    Stream,
}

/// What a person allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permit {
    /// Overwrite a file that is not empty, or a device that is in use.
    pub force: bool,
    /// Begin although not all will fit.
    pub partial: bool,
    /// Go on with a file that is not empty.
    pub resume: bool,
}

/// An open target.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: File,
    kind: Kind,
    alignment: Alignment,
    permit: Permit,
    /// Whether opening it has made the file.
    created: bool,
}

impl Target {
    /// Opens `path`, for direct I/O if `direct` says so. A file is made if there is none, and
    /// nothing else is changed yet.
    pub fn open(path: &Path, direct: bool, permit: Permit) -> Result<Self> {
        open::open(path, direct, permit)
    }

    /// Takes a file for this process, until it is dropped. Two dumps into one would overwrite each
    /// other: the second is refused, whatever was permitted. Of a device the kernel does that, and
    /// where it is told not to, two may write to different places.
    pub fn lock(&self) -> Result<()> {
        if self.kind != Kind::File {
            return Ok(());
        }
        match self.file.try_lock() {
            // Whoever had it before may have taken it away.
            Ok(()) => meanwhile::is_named(&self.file, &self.path),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ExitCode::Target,
                "target is in use",
                self.path.display(),
                Errno::EBUSY,
                "another dump writes to it: wait for its end, or take another target",
            )),
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) => {
                log::info!("{}: no lock: {error}", self.path.display());
                Ok(())
            }
        }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What kind of file it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What direct I/O on it demands; nothing if it was opened without.
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// Whether the target is memory: it takes `O_DIRECT`, and copies all the same.
    pub fn copies(&self) -> bool {
        self.kind == Kind::File && sys::file::is_in_memory(&self.file).unwrap_or(false)
    }

    /// Whether the device has been taken away: the kernel gives it a size of 0 then.
    pub fn is_gone(&self) -> bool {
        self.kind == Kind::Block && sys::block::size(&self.file) == Ok(0)
    }

    /// Whether there is nothing in it: a file without bytes.
    pub fn is_empty(&self) -> bool {
        self.kind == Kind::File
            && self
                .file
                .metadata()
                .is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Makes room for the first `room` bytes of `plan`; none is allocated in a `sparse` file. Of a regular file the bytes before `plan.seek` stay, the rest is
    /// dropped, and the blocks are allocated, because direct writes that extend a file wait for
    /// each other.
    pub fn prepare(&self, plan: &Plan, room: u64, sparse: bool) -> Result<()> {
        let length = room;
        match self.kind {
            Kind::Block if sparse => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "no holes",
                    "--zero-skip",
                    Errno::EINVAL,
                    "a block device keeps what it had: leave it out",
                ));
            }
            Kind::File if sparse => {
                self.truncate(plan.seek)?;
                self.truncate(plan.seek + length)?;
            }
            Kind::File if length == 0 => self.truncate(plan.seek)?,
            Kind::Stream => {}
            Kind::Block => {
                let size = sys::block::size(&self.file)
                    .map_err(|errno| self.failed("cannot inspect target", errno))?;
                let available = size.saturating_sub(plan.seek);
                if available < length && !self.permit.partial {
                    return Err(self.too_small(length, available));
                }
            }
            Kind::File => {
                self.truncate(plan.seek)?;
                match sys::file::allocate(&self.file, plan.seek, length) {
                    Ok(()) => {}
                    Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) if self.permit.partial => {
                        // What was allocated before space ran out.
                        self.truncate(plan.seek)?;
                    }
                    Err(Errno::ENOSPC) => {
                        self.truncate(plan.seek)?;
                        let available = sys::file::available(&self.file).unwrap_or(0);
                        return Err(self.too_small(length, available));
                    }
                    Err(errno @ (Errno::EOPNOTSUPP | Errno::ENOSYS)) => {
                        log::info!("{}: no preallocation: {errno}", self.path.display());
                        self.truncate(plan.seek + length)?;
                    }
                    Err(errno) => return Err(self.failed("cannot allocate", errno)),
                }
            }
        }
        Ok(())
    }

    /// Writes what is too short for direct I/O, through the page cache. `position` is where direct
    /// writes have stopped.
    pub fn write_tail(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
        let flags = OFlag::from_bits_retain(fcntl(&self.file, FcntlArg::F_GETFL)?);
        fcntl(
            &self.file,
            FcntlArg::F_SETFL(flags.difference(OFlag::O_DIRECT)),
        )?;
        self.file
            .write_all_at(bytes, position)
            .map_err(|error| errno_of(&error))
    }

    /// Cuts a regular file to `length` bytes; leaves a device alone.
    pub fn truncate(&self, length: u64) -> Result<()> {
        match self.kind {
            Kind::Block | Kind::Stream => Ok(()),
            Kind::File => self
                .file
                .set_len(length)
                .map_err(|error| self.failed("cannot set length", errno_of(&error))),
        }
    }

    /// Makes what was written durable, the name of the file included.
    pub fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|error| self.not_synced(errno_of(&error)))?;
        self.sync_name()
    }

    /// Makes the name of a file durable.
    pub fn sync_name(&self) -> Result<()> {
        match self.kind {
            Kind::Block | Kind::Stream => Ok(()),
            Kind::File => {
                sync_folder(&self.path).map_err(|error| self.not_synced(errno_of(&error)))
            }
        }
    }

    /// What was written cannot be made durable.
    pub fn not_synced(&self, errno: Errno) -> Error {
        Error {
            code: ExitCode::Io,
            advice: "do not trust what is on the target; see the kernel log".into(),
            ..self.failed("cannot sync", errno)
        }
    }

    /// Fails when somebody else has cut, removed or replaced a file since `data` was written to it.
    pub fn check_data(&self, data: Span, holes: Holes<'_>) -> Result<()> {
        match self.kind {
            Kind::File => meanwhile::check(&self.file, &self.path, data, holes),
            Kind::Block | Kind::Stream => Ok(()),
        }
    }

    /// Takes a file away that opening has made, when nothing is going to be written to it. Whether
    /// it was such a file.
    pub fn abandon(self) -> bool {
        if self.created {
            log::debug!("removing the empty {}", self.path.display());
            if let Err(error) = std::fs::remove_file(&self.path) {
                log::warn!("{}: {error}", self.path.display());
            }
        }
        self.created
    }

    /// Takes what was only written to try something away: a file that opening has made, else the
    /// bytes of a file.
    pub fn discard(self) {
        if !self.created
            && let Err(error) = self.truncate(0)
        {
            log::warn!("{error}");
        }
        self.abandon();
    }

    fn failed(&self, what: &'static str, errno: Errno) -> Error {
        Error::system(what, self.path.display(), errno)
    }

    fn too_small(&self, needed: u64, available: u64) -> Error {
        Error::new(
            ExitCode::NoSpace,
            "target too small",
            self.path.display(),
            Errno::ENOSPC,
            format!(
                "needs {}, has {available} bytes left: give a larger target or a smaller --length, \
                 or --partial to write what fits",
                size::display(needed)
            ),
        )
    }
}
