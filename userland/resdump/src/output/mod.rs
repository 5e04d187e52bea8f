// SPDX-License-Identifier: MIT

//! What is written to: one type for every output, and one for the manifest next to it.

#![forbid(unsafe_code)]

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
};
use serde::Serialize;

use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    signals::Stop,
    span::{Alignment, Span},
    sys, text,
};

mod folder;
mod identity;
mod lock;
mod made;
mod meanwhile;
mod mounts;
mod named;
mod open;
mod pipe;
mod place;
mod queue;
mod record;
mod rights;
mod room;
mod storage;
mod traits;

pub use folder::sync_folder;
pub use identity::Identity;
pub use meanwhile::Holes;
pub use named::refuse_inputs;
pub(crate) use open::alignment;
pub use place::{Place, is_output as is_standard_output, output as standard_output};
pub use queue::{Queue, Tuned};
pub use record::{Claim, Record, SIZE_MAX as RECORD_MAX, Weight, remove as remove_record};

use made::{Made, Temporary};
use traits::Traits;

/// What kind of file an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file: it grows, and its length is exact at the end.
    File,
    /// A block device: its size is given.
    Block,
    /// Standard output, a connection, a pipe: it can only be added to.
    Stream,
}

/// What a person allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permit {
    /// Overwrite a file that is not empty, or a device that is in use.
    pub force: bool,
    /// Begin although not all will fit.
    pub partial: bool,
    /// Resume in a file that is not empty.
    pub resume: bool,
}

/// How an output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In place, at any position, by direct I/O where there is any.
    Direct,
    /// In place, at any position, through the page cache.
    Buffered,
    /// From begin to end: a file has its name when all is there ([`Output::commit`]). What is not a
    /// regular file is written to; a pipe or a terminal does as well, and standard output.
    Whole,
}

/// What is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its name.
    pub path: &'a Path,
    /// How it is going to be written.
    pub manner: Manner,
    /// What a person allowed.
    pub permit: Permit,
    /// What is read meanwhile: an output that is the same, or that lies on the same bytes, is refused.
    pub inputs: &'a [Identity],
}

/// How bytes come to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    /// The processor copies them, for this reason.
    Copied(&'static str),
}

/// An open output. Nothing that was there before is changed by opening it. It is locked until it is
/// dropped; a file that opening has made is taken away then, unless it was kept.
///
/// The rules for what may be opened are in `open.rs` and `named.rs`, those for rights in `rights.rs`.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// The same without links.
    real: PathBuf,
    /// What is written to.
    file: File,
    kind: Kind,
    alignment: Alignment,
    permit: Permit,
    /// If opening it has made the file.
    made: Option<Made>,
    way: Way,
    traits: Traits,
    /// Of a file: what it is in. It is open from the start: later there may be no descriptor left.
    folder: Option<File>,
    /// Whether its name is durable.
    is_name_synced: AtomicBool,
    /// If it is written as a whole: what it is called until then, and what has its name.
    whole: Option<(Temporary, File)>,
}

/// Whether an open regular file does not survive a power cut: on tmpfs, ramfs, a RAM disk, or what lies on one.
pub fn is_in_memory(file: &File) -> bool {
    traits::of(file).in_memory
}

impl Output {
    /// Opens what `request` says. `stop` ends the wait for the reader of a pipe.
    ///
    /// What is refused, whatever was permitted: what is read; a directory, a socket, memory; a link to
    /// nothing; a new name among device nodes; what another run writes to. Without `force`: a file that
    /// is not empty, a device that is in use. Pipes, character devices and standard output, which `-` stands
    /// for as well, are for [`Manner::Whole`] only.
    pub fn open(request: &Request<'_>, stop: Option<&Stop>) -> Result<Self> {
        open::open(request, stop)
    }

    /// A file in `folder` that goes away when this is dropped, by direct I/O where there is any.
    pub fn scratch(folder: &Path) -> Result<Self> {
        open::scratch(folder)
    }

    /// The same file or device once more, through the page cache.
    pub fn buffered(&self) -> Result<File> {
        let failed = |error: std::io::Error| {
            Error::during(
                Doing::OpenTarget,
                "cannot open target",
                text::name(&self.path),
                &error,
            )
        };
        let file = File::options()
            .write(true)
            .open(&self.real)
            .map_err(failed)?;
        let same = Identity::of(&file).map_err(failed)?;
        match Identity::of(&self.file).map_err(failed)?.is(&same) {
            true => Ok(file),
            false => Err(failed(Errno::ESTALE.into())),
        }
    }

    /// Its name, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, but not one that the kernel gives to what this process has open.
    pub fn lasting_path(&self) -> &Path {
        let folder = std::fs::canonicalize(folder::of(&self.path));
        match folder.is_ok_and(|folder| folder.starts_with("/proc")) {
            true => &self.real,
            false => &self.path,
        }
    }

    /// Whether opening it has made it, and nothing was written that is worth keeping.
    pub fn is_new(&self) -> bool {
        self.made.is_some()
    }

    /// Its name without links.
    pub fn real_path(&self) -> &Path {
        &self.real
    }

    /// What it is, so that nothing else writes to it.
    pub fn identity(&self) -> Result<Identity> {
        let file = self.whole.as_ref().map_or(&self.file, |(_, named)| named);
        Identity::of(file).map_err(|error| self.failed("cannot inspect target", errno_of(&error)))
    }

    /// Whether bytes go to it by direct I/O.
    pub fn is_direct(&self) -> bool {
        self.way == Way::Direct
    }

    /// Why the processor copies every byte that goes to it, if it does.
    pub fn why_copied(&self) -> Option<&'static str> {
        match self.way {
            Way::Direct => None,
            Way::Copied(why) => Some(why),
        }
    }

    /// Whether it does not survive a power cut: see [`is_in_memory`].
    pub fn is_in_memory(&self) -> bool {
        self.traits.in_memory
    }

    /// The output is going to be changed: the world has no rights to it from now on.
    pub fn begin(&self) {
        if self.kind == Kind::File && self.whole.is_none() {
            rights::tighten(&self.file, &self.path);
        }
    }

    /// All is written: makes it durable, and gives a file its name if it has not got it yet. Fails when
    /// another program has given the name to another file meanwhile.
    pub fn commit(mut self) -> Result<()> {
        if self.kind != Kind::Stream {
            self.file
                .sync_all()
                .map_err(|error| self.not_synced(errno_of(&error)))?;
        }
        if let Some((temporary, named)) = self.whole.take() {
            meanwhile::is_named(&named, &self.real)?;
            temporary
                .replace(&self.real)
                .map_err(|error| self.failed("cannot rename", errno_of(&error)))?;
            self.keep();
            self.sync_name()?;
        }
        Ok(())
    }

    /// What was written stays when this is dropped, also in a file that opening has made.
    pub fn keep(&mut self) {
        if let Some(made) = self.made.take() {
            made.keep();
        }
    }

    /// If opening it has made the file, that is taken away also when the program ends at once.
    pub fn remove_at_once(&mut self) {
        if let Some(made) = &mut self.made {
            made.remove_at_once();
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

    fn metadata(&self) -> Result<Metadata> {
        self.file
            .metadata()
            .map_err(|error| self.failed("cannot inspect target", errno_of(&error)))
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
        self.try_sync()
            .map_err(|error| self.not_synced(errno_of(&error)))
    }

    /// The same, for a caller that knows what is lost.
    pub fn try_sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.try_sync_name()
    }

    /// Makes the name of a file durable.
    pub fn sync_name(&self) -> Result<()> {
        self.try_sync_name()
            .map_err(|error| self.not_synced(errno_of(&error)))
    }

    /// Its name is durable: something else has made its folder so since the file was opened.
    pub fn mark_name_synced(&self) {
        self.is_name_synced
            .store(self.whole.is_none(), Ordering::Relaxed);
    }

    /// Once is enough, when it has its own.
    fn try_sync_name(&self) -> io::Result<()> {
        match &self.folder {
            Some(folder) if !self.is_name_synced.load(Ordering::Relaxed) => {
                folder.sync_all()?;
                self.mark_name_synced();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was written cannot be made durable.
    pub fn not_synced(&self, errno: Errno) -> Error {
        let error = Error::during(Doing::Sync, "cannot sync", text::name(&self.path), errno);
        Error {
            advice: format!("do not trust what is on the target; {}", error.advice),
            ..error
        }
    }

    /// Fails when another program has truncated a file to less than `end` bytes. What is written behind that makes
    /// the length right again, and zeros of what was cut off.
    pub fn expect_length(&self, end: u64) -> Result<()> {
        match self.kind {
            Kind::File => meanwhile::reaches(&self.file, &self.path, end),
            Kind::Block | Kind::Stream => Ok(()),
        }
    }

    /// Fails when another program has truncated, removed or replaced a file since `data` was written to it.
    pub fn check_data(&self, data: Span, holes: Holes<'_>) -> Result<()> {
        match self.kind {
            Kind::File => meanwhile::check(&self.file, &self.path, data, holes),
            Kind::Block | Kind::Stream => Ok(()),
        }
    }

    fn failed(&self, what: &'static str, errno: Errno) -> Error {
        Error::during(Doing::OpenTarget, what, text::name(&self.path), errno)
    }
}
