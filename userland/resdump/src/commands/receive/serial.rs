// SPDX-License-Identifier: MIT

//! The other end of `resdump send`: a serial device, or standard input and output.

use std::{io, os::unix::fs::FileExt, path::Path};

use nix::errno::Errno;

use super::{Args, Received};
use crate::{
    advice::{self, Doing},
    codec::compression::Compression,
    codec::digest::Algorithm,
    console::Console,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::{self, Manifest, Origin},
    output::Output,
    progress::Progress,
    readback::ReadBack,
    signals::Stop,
    stream::{
        link::Line,
        rescue::{self, BLOCK, Patience, Sink},
        wire::{Header, Trailer},
    },
};

/// Runs it.
pub(super) fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    // Standard output may be the line.
    let aside = console.aside();
    let console = if args.from == "-" { &aside } else { console };
    let name = args.file.display().to_string();
    let stop = Stop::on_signals()?;
    let mut store = Store::open(args, !args.quiet && !console.is_json())?;
    let line = match args.from.as_str() {
        "-" => Line::standard(),
        path => Line::open(Path::new(path)),
    };
    let mut line =
        line.map_err(|error| Error::during(Doing::OpenLine, "cannot open", &args.from, &error))?;
    let taken = rescue::receive(&mut line, &mut store, Patience::default(), &stop);
    drop(line);
    store.finish(&name, taken, console)
}

/// The file that is made.
struct Store<'a> {
    args: &'a Args,
    output: Output,
    /// Of an interrupted transfer.
    before: Option<Manifest>,
    /// Since a sender has said what comes.
    coming: Option<Coming>,
    show: bool,
}

struct Coming {
    origin: Origin,
    journal: Journal,
    compression: Option<Compression>,
    progress: Progress,
    bytes: u64,
}

impl<'a> Store<'a> {
    fn open(args: &'a Args, show: bool) -> Result<Self> {
        let before = match args.resume {
            true => Manifest::load(&manifest::beside(&args.file))?,
            false => None,
        };
        Ok(Self {
            args,
            output: super::open(args, before.is_some())?,
            before,
            coming: None,
            show,
        })
    }

    fn finish(self, name: &str, taken: io::Result<()>, console: &Console) -> Result<ExitCode> {
        let Some(mut coming) = self.coming else {
            let errno = taken.err().map_or(Errno::ENODATA, |error| errno_of(&error));
            return Err(ended(name, 0, 0, errno));
        };
        drop(coming.progress);
        super::sync(self.output.file(), &mut coming.journal, name)?;
        let (bytes, length) = (coming.bytes, coming.origin.length);
        let error = taken
            .err()
            .map(|error| ended(name, bytes, length, errno_of(&error)));
        let mut digest = None;
        coming.journal.finish(|manifest| {
            super::record(manifest, bytes, manifest.digest.clone(), error.as_ref());
            digest.clone_from(&manifest.digest);
        })?;
        let received = Received {
            file: name,
            region: coming.origin.region,
            length,
            bytes,
            complete: error.is_none(),
            digest,
        };
        super::say(&received, self.args, console, error)
    }
}

impl Sink for Store<'_> {
    fn begin(&mut self, header: Header, blocks: u64) -> io::Result<u64> {
        let origin = header.manifest.origin.clone();
        if blocks != origin.length.div_ceil(BLOCK) {
            return Err(Errno::EPROTO.into());
        }
        // The sender was started again: what is here stays.
        if let Some(coming) = &mut self.coming {
            if coming.origin != origin {
                return Err(Errno::ESTALE.into());
            }
            coming.compression = header.compression;
            return Ok(coming.bytes.div_ceil(BLOCK));
        }
        let bytes = match &self.before {
            Some(before) if before.origin != origin => return Err(Errno::ESTALE.into()),
            Some(before) if before.bytes < origin.length => before.bytes - before.bytes % BLOCK,
            Some(_) => origin.length,
            None => 0,
        };
        let journal =
            super::begin(&self.output, header.manifest, bytes).map_err(|error| error.errno)?;
        // Not before: what was there may be a complete dump, and is said to be one.
        self.output.truncate(bytes).map_err(|error| error.errno)?;
        self.output.keep();
        self.coming = Some(Coming {
            progress: Progress::new(origin.length, self.show),
            origin,
            journal,
            compression: header.compression,
            bytes,
        });
        Ok(bytes.div_ceil(BLOCK))
    }

    fn block(&mut self, payload: &[u8]) -> io::Result<()> {
        let coming = self.coming.as_mut().ok_or(Errno::EPROTO)?;
        let length = (coming.origin.length - coming.bytes).min(BLOCK) as usize;
        let unpacked = match coming.compression {
            Some(compression) => compression
                .unpack(payload, length)
                .map_err(|_| Errno::EPROTO)?,
            None if payload.len() == length => payload.to_vec(),
            None => return Err(Errno::EPROTO.into()),
        };
        self.output.file().write_all_at(&unpacked, coming.bytes)?;
        coming.bytes += unpacked.len() as u64;
        coming.progress.at(coming.bytes);
        let bytes = coming.bytes;
        let file = self.output.file();
        coming.journal.at(|| file.sync_data().map(|()| bytes));
        Ok(())
    }

    fn end(&mut self, trailer: &Trailer) -> io::Result<()> {
        let coming = self.coming.as_mut().ok_or(Errno::EPROTO)?;
        if coming.bytes != coming.origin.length || trailer.bytes != coming.bytes {
            return Err(Errno::ENODATA.into());
        }
        let file = self.output.file();
        coming.journal.sync(|| file.sync_all())?;
        let algorithm = trailer.digest.as_ref().map(|digest| digest.algorithm);
        let data = crate::span::Span {
            offset: 0,
            length: coming.bytes,
        };
        let found = algorithm
            .map(|algorithm: Algorithm| {
                ReadBack::open(&self.args.file, data, &Stop::default())?.digest(algorithm)
            })
            .transpose()
            .map_err(|error| error.errno)?;
        if found != trailer.digest {
            return Err(Errno::EBADMSG.into());
        }
        coming.journal.digest(found);
        Ok(())
    }
}

fn ended(name: &str, bytes: u64, length: u64, errno: Errno) -> Error {
    let (code, reason) = match errno {
        Errno::EBADMSG => (
            ExitCode::Mismatch,
            "its digest is not the sender's: the region has changed, receive it anew",
        ),
        Errno::ESTALE => (
            ExitCode::Target,
            "the sender offers another dump than the one that was begun: give another file",
        ),
        Errno::ETIMEDOUT => (ExitCode::Incomplete, "the sender is silent"),
        _ => match advice::of(errno, Doing::Serial) {
            // What is here is known.
            (ExitCode::Io, reason) => (ExitCode::Incomplete, reason),
            known => known,
        },
    };
    Error::new(
        code,
        "transfer incomplete",
        name,
        errno,
        match (errno, bytes) {
            (Errno::EBADMSG | Errno::ESTALE, _) => reason.into(),
            (_, 0) => format!("{reason}; nothing is here"),
            _ => format!("{reason}; {bytes} of {length} bytes are here, go on with --resume"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_that_differs_has_its_own_status() {
        assert_eq!(ended("a", 1, 1, Errno::EBADMSG).code, ExitCode::Mismatch);
        assert_eq!(ended("a", 1, 2, Errno::EIO).code, ExitCode::Incomplete);
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_not_offered() {
        let offered = |errno| ended("a", 1, 2, errno).to_string().contains("--resume");
        assert!(offered(Errno::EIO));
        assert!(!offered(Errno::EBADMSG) && !offered(Errno::ESTALE));
    }
}
