// SPDX-License-Identifier: MIT

//! The file that is received: written as it comes, called complete when all of it is durable and has been
//! checked.

use std::{
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::errno::Errno;

use crate::{
    advice::{self, Doing},
    codec::digest::{Digest, Hasher},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::Origin,
    output::{Holes, Output},
    readback::ReadBack,
    signals::Stop,
    span::Span,
    stream::messages::{Check, Trailer, Verdict},
    text,
};

/// The file, while something comes.
pub(super) struct Store {
    name: String,
    path: PathBuf,
    target: Output,
    journal: Option<Journal>,
    origin: Origin,
    bytes: u64,
    resumed: u64,
    check: Option<Check>,
    hasher: Option<Hasher>,
    digest: Option<Digest>,
    started: Instant,
}

/// What a store holds in the end.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) bytes: u64,
    pub(super) resumed: u64,
    pub(super) digest: Option<Digest>,
    pub(super) manifest: Option<String>,
    pub(super) in_memory: bool,
    pub(super) seconds: f64,
    pub(super) error: Option<Error>,
}

impl Stored {
    /// What is sent back.
    pub(super) fn verdict(&self) -> Verdict {
        Verdict {
            in_memory: self.in_memory,
            ..Verdict::of(self.bytes, self.error.as_ref())
        }
    }
}

impl Store {
    /// For a dump of `origin`, of which `bytes` are there.
    pub(super) fn new(
        path: &Path,
        target: Output,
        journal: Option<Journal>,
        origin: Origin,
        bytes: u64,
    ) -> Self {
        Self {
            name: text::name(path),
            path: path.into(),
            target,
            journal,
            origin,
            bytes,
            resumed: bytes,
            check: None,
            hasher: None,
            digest: None,
            started: Instant::now(),
        }
    }

    /// With what is known of the bytes that are there.
    pub(super) fn with(self, check: Option<Check>, hasher: Option<Hasher>) -> Self {
        Self {
            check,
            hasher,
            ..self
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Bytes that have come, from the first on.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of what was there before.
    pub(super) fn check(&self) -> Option<Check> {
        self.check.clone()
    }

    /// Adds the next bytes.
    pub(super) fn write(&mut self, block: &[u8]) -> Result<()> {
        let left = self.origin.length - self.bytes;
        if block.len() as u64 > left {
            return Err(Error::new(
                ExitCode::Mismatch,
                "dump differs",
                &self.name,
                Errno::EPROTO,
                "more came than was announced: send again",
            ));
        }
        self.target.expect_length(self.bytes)?;
        self.target
            .file()
            .write_all_at(block, self.bytes)
            .map_err(|error| Error::during(Doing::Write, "cannot write", &self.name, &error))?;
        self.bytes += block.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(block);
        }
        let (target, bytes) = (&self.target, self.bytes);
        if let Some(journal) = &mut self.journal {
            journal.at(|| target.try_sync().map(|()| bytes));
        }
        Ok(())
    }

    /// All has come: holds it against what was sent. What is on the disk is read back if `read_back`.
    pub(super) fn expect(&mut self, trailer: &Trailer, read_back: bool, stop: &Stop) -> Result<()> {
        let length = self.origin.length;
        if self.bytes != length || trailer.bytes != length || trailer.error.is_some() {
            return Err(self.short(Errno::ENODATA));
        }
        let mut found = self.hasher.take().map(Hasher::finish);
        if read_back && let Some(algorithm) = trailer.digest.as_ref().map(|it| it.algorithm) {
            self.sync()?;
            let data = Span { offset: 0, length };
            found = Some(ReadBack::open(&self.path, data, stop)?.digest(algorithm)?);
        }
        if found != trailer.digest {
            return Err(Error::new(
                ExitCode::Mismatch,
                "dump differs",
                &self.name,
                Errno::EBADMSG,
                "its digest is not the sender's; the region may have changed while it was sent",
            ));
        }
        self.digest = found;
        Ok(())
    }

    /// The sender is gone, or what it says makes no sense, before all has come.
    pub(super) fn short(&self, errno: Errno) -> Error {
        let (code, reason) = advice::of(errno, Doing::Receive);
        self.incomplete(code, errno, reason)
    }

    /// What is here is not all, for that reason.
    pub(super) fn incomplete(&self, code: ExitCode, errno: Errno, reason: &str) -> Error {
        let (bytes, length) = (self.bytes, self.origin.length);
        Error::new(
            code,
            "transfer incomplete",
            &self.name,
            errno,
            match bytes {
                0 => format!("{reason}; nothing is here: send again"),
                _ => {
                    format!("{reason}; {bytes} of {length} bytes are here: resume it with --resume")
                }
            },
        )
    }

    /// Gives up what is less than a block of `size` bytes: what is sent begins with one.
    pub(super) fn keep_blocks(&mut self, size: u64) -> Result<()> {
        if self.bytes < self.origin.length && !self.bytes.is_multiple_of(size) {
            self.bytes -= self.bytes % size;
            self.resumed = self.bytes;
            self.target.truncate(self.bytes)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let file = self.target.file();
        let synced = match &mut self.journal {
            Some(journal) => journal.sync(|| file.sync_all()),
            None => file.sync_all(),
        };
        synced.map_err(|error| self.target.not_synced(errno_of(&error)))
    }

    /// Makes durable what has come, and says in the manifest what that is. `error` is what went wrong
    /// before.
    pub(super) fn finish(mut self, error: Option<Error>) -> Stored {
        let mut error = error;
        let settled = self.settle();
        let durable = match &settled {
            Ok(()) => self.bytes,
            Err(_) => self.journal.as_ref().map_or(0, Journal::durable),
        };
        error = error.or(settled.err());
        if self.bytes > 0 || error.is_none() {
            self.target.keep();
        } else if let Some(journal) = self.journal.take_if(|_| self.target.is_new()) {
            // Nothing has come: nothing is left.
            journal.abandon();
        }
        // What differs somewhere is good for nothing.
        let bytes = match &error {
            Some(error) if error.code == ExitCode::Mismatch => 0,
            _ => durable,
        };
        self.bytes = bytes;
        let manifest = self.journal.as_ref().map(|it| text::name(it.path()));
        if let Err(failed) = self.record(error.as_ref()) {
            error = Some(error.unwrap_or(failed));
        }
        Stored {
            name: self.name,
            origin: self.origin,
            bytes: self.bytes,
            resumed: self.resumed,
            digest: self.digest.filter(|_| error.is_none()),
            manifest,
            in_memory: self.target.is_in_memory(),
            seconds: self.started.elapsed().as_secs_f64(),
            error,
        }
    }

    /// Leaves exactly what has come, makes it durable, and sees whether it is still there.
    fn settle(&mut self) -> Result<()> {
        self.target.expect_length(self.bytes)?;
        self.target.truncate(self.bytes)?;
        self.sync()?;
        let data = Span {
            offset: 0,
            length: self.bytes,
        };
        // File systems may keep zeros as holes.
        self.target.check_data(data, Holes::Anywhere)
    }

    /// The last word of the manifest.
    fn record(&mut self, error: Option<&Error>) -> Result<()> {
        let Some(journal) = self.journal.take() else {
            return Ok(());
        };
        let (bytes, resumed) = (self.bytes, self.resumed);
        let digest = self.digest.clone();
        let in_memory = self.target.is_in_memory();
        journal.finish(|manifest| {
            manifest.complete = error.is_none();
            manifest.durable = Some(error.is_none() && !in_memory);
            manifest.bytes = bytes;
            manifest.copied = bytes.saturating_sub(resumed);
            manifest.resumed = resumed;
            manifest.digest = digest.filter(|_| error.is_none());
            manifest.error = error.map(ToString::to_string);
        })
    }
}
