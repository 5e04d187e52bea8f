// SPDX-License-Identifier: MIT

//! `resdump dump REGION FILE --compress METHOD`: the CPU reads and compresses every byte, and the
//! file is written through the page cache.

use std::io::{self, Write};

use nix::errno::Errno;

use super::{incomplete::blame, job::Job, known, open};
use crate::{
    advice::{self, Doing},
    codec::compression::Compression,
    console::Console,
    engine::{Moved, Name},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    output::{Holes, Kind, Manner, Output},
    progress::Progress,
    readback::ReadBack,
    report::{Clock, Report},
    signals::Stop,
    source::{Source, digest},
    span::Span,
    stream::sender::{BLOCK, Sender},
};

/// Runs it.
pub(super) fn run(
    job: &Job,
    compression: Compression,
    source: &dyn Source,
    console: &Console,
) -> Result<ExitCode> {
    let span = job.span(source.size())?;
    let stop = Stop::on_signals()?;
    let target = open(job, Manner::Buffered, source)?;
    if target.kind() == Kind::Block {
        return Err(Error::new(
            ExitCode::Usage,
            "not for a block device",
            "--compress",
            Errno::EINVAL,
            "nothing would say where the data ends: dump to a file",
        ));
    }
    let journal = prepare(job, compression, source, span, &target)?;
    let name = job.name();
    let mut report = Report::of(source, span);
    report.target(&name, Kind::File, 0);
    report.in_memory = target.is_in_memory();
    report.engine = Name::Read;
    report.engine_reason = "compressed".into();
    report.compression = Some(compression);

    let show = !job.quiet && !console.is_json();
    let clock = Clock::start();
    let mut sender = Sender::new(source, target.file(), &stop)
        .map_err(|error| Error::during(Doing::OpenTarget, "cannot open target", &name, &error))?;
    let mut progress = Progress::new(span.length, show);
    let cancelled = || stop.requested();
    let ((bytes, written), digest) =
        digest::alongside(source, span, job.digest, &cancelled, digest::ALONE, || {
            let written = write(&mut sender, span, compression, &mut progress, &stop);
            if written.1.is_err() {
                stop.request();
            }
            written
        });
    drop(progress);
    let (digest, unknown) = digest.map_or_else(|failed| (None, Some(failed)), |it| (it, None));
    report.stored = Some(sender.stored);
    report.moved(
        &Moved {
            bytes,
            copied: bytes,
            ..Moved::default()
        },
        0,
    );
    // A frame that was not written as a whole is none.
    let cut = target.truncate(sender.stored);
    let sync = Clock::start();
    let synced = cut.and_then(|()| match !job.sync {
        true => Ok(()),
        false => target.sync(),
    });
    report.synced = Some(synced.is_ok() && job.sync && !target.is_in_memory());
    report.in_memory &= synced.is_ok();
    report.time(&clock, sync.seconds());
    report.digest = digest;

    let data = Span {
        offset: 0,
        length: sender.stored,
    };
    // What a disk has lost is missing as well, and was not truncated.
    let changed = match &synced {
        // Frames have no zeros that fill a block.
        Ok(()) => target.check_data(data, Holes::Nowhere),
        Err(_) => Ok(()),
    };
    if changed.is_err() {
        report.distrust();
    }
    let durable = synced.is_ok();
    let mut error = changed
        .err()
        .or(written
            .err()
            .map(|error| incomplete(&name, bytes, span, durable, errno_of(&error)))
            .map(|stopped| blame(source, span.offset + bytes, stopped)))
        .or(synced.err())
        .or(unknown);
    if job.verify && error.is_none() {
        let mut read_back =
            ReadBack::open_packed(&job.target, bytes, compression, &stop)?.shown(show);
        let verified = match &report.digest {
            Some(digest) => read_back.expect_digest(digest),
            None => read_back.expect_bytes(source, span.offset),
        };
        report.verified = verified.is_ok();
        known::distrust_unless(&verified, &mut report);
        error = verified.err();
    }
    known::end(job, console, target, journal, report, bytes > 0, error)
}

fn prepare(
    job: &Job,
    compression: Compression,
    source: &dyn Source,
    span: Span,
    target: &Output,
) -> Result<Option<Journal>> {
    let mut manifest = source.manifest(span, job.format, 0);
    manifest.compression = Some(compression);
    manifest.stored = Some(0);
    let journal = known::begin(job, source, target, || manifest)?;
    target.begin();
    target.truncate(0)?;
    Ok(journal)
}

/// Writes block after block; the bytes of the region that are in the file, and what stopped it.
fn write(
    sender: &mut Sender<'_>,
    span: Span,
    compression: Compression,
    progress: &mut Progress,
    stop: &Stop,
) -> (u64, io::Result<()>) {
    let mut done = 0;
    let result = (|| {
        while done < span.length {
            if stop.requested() {
                return Err(Errno::EINTR.into());
            }
            let length = (span.length - done).min(BLOCK.into());
            let packed = sender.pack(
                Span {
                    offset: span.offset + done,
                    length,
                },
                compression,
            )?;
            if let Err(error) = sender.out().write_all(&packed) {
                sender.stored -= packed.len() as u64;
                return Err(error);
            }
            done += length;
            progress.at(done);
        }
        Ok(())
    })();
    (done, result)
}

fn incomplete(name: &str, done: u64, span: Span, durable: bool, errno: Errno) -> Error {
    let (code, reason) = advice::of(errno, Doing::Write);
    let known = match durable {
        true => "are on the target, and can be unpacked",
        false => "were written and cannot be made durable: do not trust them",
    };
    Error::new(
        code,
        "dump incomplete",
        name,
        errno,
        format!("{reason}; {done} of {} bytes {known}", span.length),
    )
}
