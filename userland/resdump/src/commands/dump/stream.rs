// SPDX-License-Identifier: MIT

//! `resdump dump REGION -` and `resdump dump REGION tcp:HOST:PORT`.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileTypeExt,
};

use nix::errno::Errno;

use super::{args::Args, no_digest};
use crate::{
    advice::{self, Doing},
    codec::digest::Digest,
    console::Console,
    engine::{self, Moved, Name},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::{Kind, Place},
    progress::Progress,
    report::{Clock, Report},
    signals::Stop,
    source::{Source, digest},
    span::Span,
    stream::{
        sender::{BLOCK, Sender},
        wire::{self, Header, Trailer},
    },
};

/// Runs it.
pub(super) fn run(
    args: &Args,
    place: &Place,
    source: &dyn Source,
    console: &Console,
) -> Result<ExitCode> {
    let aside = console.aside();
    let console = if place.is_framed() { console } else { &aside };
    if source.incomplete().is_some() && place.is_framed() {
        return Err(Error::new(
            ExitCode::Usage,
            "not for a stream",
            "--incomplete",
            Errno::ESPIPE,
            "the receiver would take it for complete: convert it to a file first",
        ));
    }
    let name = args.target.to_string_lossy();
    let span = Span::new(args.offset, args.length, source.size())?;
    let failed = |error: &io::Error| {
        // A name that cannot be looked up has no errno.
        let errno = error.raw_os_error().map(Errno::from_raw);
        Error::during(
            Doing::Connect,
            "cannot open target",
            &name,
            errno.unwrap_or(Errno::EADDRNOTAVAIL),
        )
    };
    let out = place.connect().map_err(|error| failed(&error))?;
    let is_pipe = out.metadata().is_ok_and(|it| it.file_type().is_fifo());
    let stop = Stop::on_signals()?;
    let mut sender = Sender::new(source, &out, is_pipe, &stop).map_err(|error| failed(&error))?;

    let mut report = Report::of(source, span);
    report.target(&name, Kind::Stream, 0);
    let show = !args.quiet && !console.is_json();
    let clock = Clock::start();
    let ((bytes, sent), digest) =
        digest::alongside(source, span, args.digest, &|| stop.requested(), || {
            let mut progress = Progress::new(span.length, show);
            let sent = send(args, place, source, span, &mut sender, &mut progress, &stop);
            drop(progress);
            if sent.1.is_err() {
                stop.request();
            }
            sent
        });
    let moved = Moved {
        bytes,
        direct: sender.direct,
        copied: sender.copied,
        ..Moved::default()
    };
    let (digest, unknown) = match digest {
        Ok(None) if args.digest.is_some() => (None, Some(no_digest(args))),
        Ok(digest) => (digest, None),
        Err(error) => (None, Some(error)),
    };
    let error = sent
        .err()
        .map(|error| incomplete(&name, bytes, span, errno_of(&error)))
        .or(unknown);
    let error = error.or_else(|| end(place, &out, &moved, digest.as_ref(), &name).err());
    report.moved(&moved, 0);
    report.time(&clock, 0.0);
    report.engine = if moved.copied > 0 {
        Name::Read
    } else {
        Name::Mmap
    };
    report.engine_reason = "stream".into();
    report.compression = args.compress;
    report.stored = args.compress.map(|_| sender.stored);
    report.digest = digest;
    let error = error.or_else(|| {
        (args.strict && moved.copied > 0)
            .then(|| engine::would_copy(&name, "it is complete, but bytes have been copied"))
    });
    report.tell(args.quiet, console, error)
}

/// Sends everything but the end; the bytes that went, and what stopped it.
fn send(
    args: &Args,
    place: &Place,
    source: &dyn Source,
    span: Span,
    sender: &mut Sender<'_>,
    progress: &mut Progress,
    stop: &Stop,
) -> (u64, io::Result<()>) {
    let mut done = 0;
    let result = (|| {
        if place.is_framed() {
            let header = Header::of(source, span, args.compress, args.digest);
            wire::write_header(&mut sender.out(), &header)?;
        }
        while done < span.length {
            if stop.requested() {
                return Err(Errno::EINTR.into());
            }
            let length = (span.length - done).min(BLOCK.into());
            let block = Span {
                offset: span.offset + done,
                length,
            };
            let packed = args
                .compress
                .map(|compression| sender.pack(block, compression))
                .transpose()?;
            if place.is_framed() {
                let stored = packed.as_ref().map_or(length, |packed| packed.len() as u64);
                wire::write_block(&mut sender.out(), stored as u32, length as u32)?;
            }
            match packed {
                Some(packed) => sender.out().write_all(&packed)?,
                None => sender.send(block)?,
            }
            done += length;
            progress.at(done);
        }
        Ok(())
    })();
    (done, result)
}

/// Tells the receiver that this was all.
fn end(
    place: &Place,
    mut out: &File,
    moved: &Moved,
    digest: Option<&Digest>,
    name: &str,
) -> Result<()> {
    if !place.is_framed() {
        return Ok(());
    }
    let trailer = Trailer {
        bytes: moved.bytes,
        digest: digest.cloned(),
        error: None,
    };
    wire::write_trailer(&mut out, &trailer)
        .map_err(|error| Error::during(Doing::Send, "cannot send", name, &error))
}

fn incomplete(name: &str, done: u64, span: Span, errno: Errno) -> Error {
    let (code, reason) = advice::of(errno, Doing::Send);
    Error::new(
        code,
        "dump incomplete",
        name,
        errno,
        format!("{reason}; {done} of {} bytes were sent", span.length),
    )
}
