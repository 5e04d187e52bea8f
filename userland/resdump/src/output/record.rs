// SPDX-License-Identifier: MIT

//! A small file that is replaced as a whole again and again: what is known of an output, next to it.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::{errno::Errno, libc};

use super::{
    Identity, folder, lock,
    made::Temporary,
    meanwhile,
    named::{self, Named},
    place, rights, sync_folder,
};
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals, sys, text,
};

const WHAT: &str = "cannot write manifest";
const REFUSED: &str = "manifest refused";

/// Most bytes of a record, more than a hundred for each of as many ranges as a file may have: what is longer
/// is none.
pub const SIZE_MAX: u64 = 16 << 20;

/// Room that is held for the next record, in bytes, at least: more than one has with the longest of names.
const ROOM: usize = 16 << 10;

/// Which file is to be a record.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    /// Its name.
    pub path: &'a Path,
    /// What is read or written meanwhile.
    pub taken: &'a [Identity],
    /// Whether a person has named the file, and allowed to overwrite what it is.
    pub force: bool,
    /// What a person can do to have it elsewhere: "give another --manifest".
    pub elsewhere: &'static str,
    /// Whether a text is such a record: nothing else is overwritten otherwise.
    pub is_record: fn(&[u8]) -> bool,
}

/// What is lost with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing: it says that nothing is known yet.
    Nothing,
    /// What it promises.
    Promise,
    /// The same, and there is none after it.
    Last,
}

/// A file that is this process's to write, until this is dropped: it is locked.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    elsewhere: &'static str,
    real: PathBuf,
    /// What has the name.
    held: Option<File>,
    /// Whether that is this process's.
    stored: bool,
    /// Whether anything is lost with what has the name.
    promises: bool,
    /// Room for the next one, without a name: a dump that fills the file system leaves it.
    room: Option<File>,
}

impl Record {
    /// Takes a file, and changes nothing yet. Refused are: a device, a pipe, a folder; what is read
    /// or written meanwhile; a file that is not empty and not a record, unless `force` says otherwise;
    /// what another run writes to.
    pub fn claim(claim: &Claim<'_>) -> Result<Self> {
        let (path, elsewhere) = (claim.path, claim.elsewhere);
        if place::is_output(path) {
            return Err(refused(
                path,
                Errno::ESPIPE,
                "it is standard output",
                elsewhere,
            ));
        }
        let found = named::find(WHAT, path).map_err(|error| match error.errno {
            Errno::ENAMETOOLONG => refused(path, error.errno, "its name is too long", elsewhere),
            _ => error,
        })?;
        let mut record = Self {
            path: path.into(),
            elsewhere,
            real: found.real,
            held: None,
            stored: false,
            promises: false,
            room: None,
        };
        match found.named {
            Named::Nothing => named::refuse_among_nodes(REFUSED, path, &record.real)?,
            Named::File => {
                record.held = Some(take(claim, &record.real)?);
                record.promises = true;
            }
            _ => {
                return Err(refused(
                    path,
                    Errno::EINVAL,
                    "it is not a regular file",
                    elsewhere,
                ));
            }
        }
        Ok(record)
    }

    /// Its name, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file with this name, without links, is in the same folder.
    pub fn is_beside(&self, real: &Path) -> bool {
        folder::of(&self.real) == folder::of(real)
    }

    /// Whether `path` names this very file.
    pub fn is_at(&self, path: &Path) -> bool {
        path == self.path || fs::canonicalize(path).is_ok_and(|path| path == self.real)
    }

    /// Puts `text` in place of what is there: it is on the disk when this returns, its name too. There is room for
    /// another then, unless it is the last. A power cut leaves the one or the other where both promise something; where
    /// one does not, a file system that does not order the two may leave the name without the text, which promises
    /// nothing either.
    pub fn store(&mut self, text: &[u8], weight: Weight) -> Result<()> {
        self.try_store(text, weight)
            .map_err(|error| match errno_of(&error) {
                errno @ (Errno::EEXIST | Errno::ESTALE) => refused(
                    &self.path,
                    errno,
                    "another file has got its name meanwhile",
                    self.elsewhere,
                ),
                errno => {
                    let error = Error::during(Doing::Manifest, WHAT, text::name(&self.path), errno);
                    let is_here = matches!(errno, Errno::ENOSPC | Errno::ENAMETOOLONG);
                    let or = match is_here {
                        true => format!(", or {}", self.elsewhere),
                        false => String::new(),
                    };
                    Error {
                        advice: error.advice.clone() + &or,
                        ..error
                    }
                }
            })
    }

    fn try_store(&mut self, text: &[u8], weight: Weight) -> io::Result<()> {
        let last = weight == Weight::Last;
        signals::settled(last);
        // Nothing else of this process writes now: what is given back is there.
        self.room = None;
        let first = !self.stored;
        if first {
            // Before anything is changed that would have to be put right again.
            self.room = self.hold_room(text.len(), last)?;
        }
        let is_worth = self.promises && weight != Weight::Nothing;
        let (mut file, temporary) = Temporary::beside(&self.real)?;
        file.write_all(text)?;
        if let Some(held) = &self.held {
            rights::copy(held, &file, &self.path).map_err(|error| error.errno)?;
        }
        match is_worth {
            true => file.sync_all()?,
            false => write_out(&file)?,
        }
        // There are two with the name for a moment: both are this process's.
        let _ = file.try_lock();
        match &self.held {
            Some(held) => match meanwhile::is_named(held, &self.real) {
                Ok(()) => temporary.replace(&self.real)?,
                Err(error) if error.errno == Errno::ENOENT => temporary.name(&self.real)?,
                Err(error) => return Err(error.errno.into()),
            },
            None => temporary.name(&self.real)?,
        }
        let before = self.held.replace(file);
        let replaced = before.is_some();
        // What it had is given back by the same commit.
        drop(before);
        self.stored = true;
        self.promises = weight != Weight::Nothing;
        // One commit of a journal holds both, name and text: the folder first, for which ext4 commits whatever there is.
        let settled = sync_folder(&self.real)
            .and_then(|()| match (is_worth, &self.held) {
                (false, Some(file)) => file.sync_all(),
                _ => Ok(()),
            })
            .and_then(|()| self.settle(text.len(), first, last));
        if settled.is_err() && first && !replaced {
            // The caller ends with an error: what was not there before is not left.
            let _ = fs::remove_file(&self.real);
            (self.held, self.stored, self.promises) = (None, false, false);
        }
        settled
    }

    /// Holds room for the next, of `length` bytes and some more.
    fn settle(&mut self, length: usize, first: bool, last: bool) -> io::Result<()> {
        if self.room.is_none() {
            match self.hold_room(length, last) {
                Ok(room) => self.room = room,
                Err(error) if first => return Err(error),
                Err(error) => {
                    log::warn!("{}: no room for the next: {error}", text::name(&self.path));
                }
            }
        }
        Ok(())
    }

    /// Room for one that is no longer than one of `length` bytes and some more.
    fn hold_room(&self, length: usize, last: bool) -> io::Result<Option<File>> {
        if last {
            return Ok(None);
        }
        let mut file = Temporary::without_name(&self.real)?;
        let bytes = [0; 4096];
        for _ in 0..(length + ROOM) / bytes.len() {
            file.write_all(&bytes)?;
        }
        Ok(Some(file))
    }

    /// Takes the file away: it speaks of nothing. Durable when this returns.
    pub fn remove(self) -> Result<()> {
        match &self.held {
            Some(held) if meanwhile::is_named(held, &self.real).is_ok() => {
                forget(&self.path, &self.real)
            }
            _ => Ok(()),
        }
    }
}

/// Removes the record at `path`, which speaks of what is not there any more. A file that is none
/// stays. Durable when this returns.
pub fn remove(path: &Path, is_record: fn(&[u8]) -> bool) -> Result<()> {
    let Ok(real) = fs::canonicalize(path) else {
        return Ok(());
    };
    match fs::metadata(&real) {
        Ok(metadata) if metadata.is_file() => {}
        _ => return Ok(()),
    }
    let failed = |error: io::Error| failed_to_remove(path, errno_of(&error));
    let file = File::open(&real).map_err(failed)?;
    match is_record(&read(&file).map_err(failed)?) {
        true => forget(path, &real),
        false => {
            log::info!("{}: it is not a manifest, and stays", text::name(path));
            Ok(())
        }
    }
}

/// Hands what was written to the disk, which may still hold it in a cache: a name that the file is given afterwards is
/// never found before its content, where the file system orders the two.
fn write_out(file: &File) -> io::Result<()> {
    match sys::file::write_out(file) {
        Err(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ESPIPE) => file.sync_all(),
        // The kernel reports a write-back that failed once only: a flush would succeed.
        done => Ok(done?),
    }
}

fn forget(path: &Path, real: &Path) -> Result<()> {
    fs::remove_file(real)
        .and_then(|()| sync_folder(real))
        .map_err(|error| failed_to_remove(path, errno_of(&error)))
}

fn failed_to_remove(path: &Path, errno: Errno) -> Error {
    Error::during(
        Doing::Manifest,
        "cannot remove manifest",
        text::name(path),
        errno,
    )
}

/// Takes a file that is there, if it may be overwritten.
fn take(claim: &Claim<'_>, real: &Path) -> Result<File> {
    let path = claim.path;
    let failed = |error: io::Error| Error::during(Doing::Manifest, WHAT, text::name(path), &error);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(real)
        .map_err(failed)?;
    if named::refuse_inputs(path, &file, claim.taken).is_err() {
        return Err(refused(
            path,
            Errno::EINVAL,
            "it is the source, what is known of the source, or the target",
            claim.elsewhere,
        ));
    }
    let text = read(&file).map_err(failed)?;
    if !text.is_empty() && !claim.force && !(claim.is_record)(&text) {
        return Err(refused(
            path,
            Errno::EEXIST,
            "it is not a manifest",
            claim.elsewhere,
        ));
    }
    lock::take(&file, path)?;
    Ok(file)
}

/// What is in a file, if it is short enough to be a record; else something that is none.
fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_MAX {
        text.truncate(1);
    }
    Ok(text)
}

fn refused(path: &Path, errno: Errno, why: &str, elsewhere: &str) -> Error {
    let advice = format!("{why}: {elsewhere}");
    Error::new(ExitCode::Target, REFUSED, text::name(path), errno, advice)
}

#[cfg(test)]
mod tests;
