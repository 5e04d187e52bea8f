// SPDX-License-Identifier: MIT

//! `resdump dump REGION... TARGET` and `resdump dump --all TARGET`: several regions into one ELF core,
//! a segment each, by direct I/O as one alone; or into one LiME file, a range each.

use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::{incomplete::blame, job::Job, known, open};
use crate::{
    advice::{self, Doing},
    codec::{digest::Digest, format::Format},
    console::Console,
    engine::{self, Moved, Piece},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::Manifest,
    output::{Holes, Manner, Output},
    progress::Progress,
    readback::ReadBack,
    report::{Clock, Report},
    signals::Stop,
    source::{Several, Source, digest},
    span::Span,
    transfer,
};

mod layout;

use layout::{Range, describe, extent, lay_out};

/// Runs it.
pub(super) fn run(job: &Job, source: &Several, console: &Console) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let whole = Span::new(0, None, source.size())?;
    let _tuned = job.tune()?;
    let settings = job.settings(whole.length);
    let engine = |source, length| {
        let span = Span { offset: 0, length };
        engine::open(job.engine, source, span, settings, job.strict)
    };
    let mut engines = source
        .parts()
        .map(|(source, extent)| engine(source, extent.length))
        .collect::<Result<Vec<_>>>()?;
    let is_direct = job.format == Format::Elf && engines.iter().all(|engine| engine.direct());
    let manner = match is_direct {
        true => Manner::Direct,
        false => Manner::Buffered,
    };
    let target = open(job, manner, source)?;
    let why = match is_direct {
        true => target.why_copied(),
        false => job.why_copied(),
    };
    if let Some(why) = why {
        if job.strict {
            let way_out = match is_direct {
                true => ": give a file or a device on a disk",
                false => "",
            };
            return Err(engine::would_copy(&job.name(), &format!("{why}{way_out}")));
        }
        engines = source
            .parts()
            .map(|(source, extent)| {
                let span = Span {
                    offset: 0,
                    length: extent.length,
                };
                engine::open_cached(job.engine, source, span, settings, why)
            })
            .collect::<Result<_>>()?;
    }
    let mut ranges = lay_out(job, source, engines, target.alignment())?;
    if let Some(range) = ranges
        .iter()
        .find(|range| job.strict && range.plan.tail() > 0)
    {
        let subject = range.source.name();
        let advice = "its last bytes are less than a block of the target";
        return Err(engine::would_copy(subject, advice));
    }
    let mut manifest = source.manifest(whole, job.format, ranges[0].plan.seek);
    manifest.seek = Some(0);
    manifest.set_ranges(ranges.iter().map(Range::part).collect());
    let all = extent(&ranges);
    target.expect_fit(&all, all.span.length, false)?;
    let mut journal = known::begin(job, source, &target, || manifest.clone())?;
    if let Err(error) = target.prepare(&all, all.span.length, false) {
        if target.is_new() {
            known::abandon(journal);
        }
        return Err(error);
    }

    let name = job.name();
    let mut report = Report::of(source, whole);
    report.target(&name, target.kind(), 0);
    report.in_memory = target.is_in_memory();
    let show = !job.quiet && !console.is_json();
    let (is_begun, mut error, sums) = write(
        job,
        source,
        &mut ranges,
        &target,
        &mut journal,
        &manifest,
        show,
        &stop,
        &mut report,
    );
    report.engine(&*ranges[0].engine);
    report.digest = sums;
    if job.verify && error.is_none() {
        let verified = verify(job, source, &ranges, report.digest.as_ref(), show, &stop);
        report.verified = verified.is_ok();
        known::distrust_unless(&verified, &mut report);
        error = verified.err();
    }
    known::end(job, console, target, journal, report, is_begun, error)
}

/// Writes everything and makes it durable, the digest being computed meanwhile.
#[allow(clippy::too_many_arguments, reason = "all of a dump")]
fn write(
    job: &Job,
    source: &Several,
    ranges: &mut [Range<'_>],
    target: &Output,
    journal: &mut Option<Journal>,
    manifest: &Manifest,
    show: bool,
    stop: &Stop,
    report: &mut Report<'_>,
) -> (bool, Option<Error>, Option<Digest>) {
    let whole = Span {
        offset: 0,
        length: source.size(),
    };
    let abort = Stop::default();
    let cancelled = || stop.requested() || abort.requested();
    let work = || {
        let clock = Clock::start();
        let mut progress = Progress::new(whole.length, show);
        let moved = bytes(ranges, target, journal, stop, &mut progress);
        drop(progress);
        let described = describe(job, source, ranges, target, manifest, moved.bytes);
        let sync = Clock::start();
        let lost = journal.as_ref().and_then(Journal::lost);
        let synced = match lost {
            Some(errno) => Err(target.not_synced(errno)),
            None if !job.sync => Ok(()),
            None => target.sync(),
        };
        report.moved(&moved, 0);
        report.time(&clock, sync.seconds());
        report.synced = Some(job.sync && synced.is_ok() && !target.is_in_memory());
        report.in_memory &= synced.is_ok();
        let changed = match &synced {
            Ok(()) => check(ranges, target, moved.bytes).err(),
            Err(_) => None,
        };
        if changed.is_some() {
            report.distrust();
        }
        let (described, headers) = match described {
            Ok(headers) => (None, headers),
            Err(error) => (Some(error), None),
        };
        report.headers = headers;
        if report.bytes < whole.length {
            abort.request();
        }
        let error = changed
            .or(moved
                .error
                .map(|errno| incomplete(job, moved.bytes, whole.length, errno))
                .map(|stopped| blame(source, moved.bytes, stopped)))
            .or(described)
            .or(synced.err())
            .or_else(|| {
                let why = "it is complete, but bytes have been copied";
                (job.strict && moved.copied > 0).then(|| engine::would_copy(&job.name(), why))
            });
        (moved.bytes > 0, error)
    };
    let ((is_begun, error), digest) =
        digest::alongside(source, whole, job.digest, &cancelled, digest::ALONE, work);
    let (digest, unknown) = digest.map_or_else(|failed| (None, Some(failed)), |it| (it, None));
    (is_begun, error.or(unknown), digest)
}

/// Moves the bytes of all ranges: the contiguous prefix of them all.
fn bytes(
    ranges: &mut [Range<'_>],
    target: &Output,
    journal: &mut Option<Journal>,
    stop: &Stop,
    progress: &mut Progress,
) -> Moved {
    let mut all = Moved::default();
    for range in ranges {
        let before = all.bytes;
        let mut at = |bytes| {
            progress.at(before + bytes);
            if let Some(journal) = journal {
                journal.at(|| {
                    target.try_sync()?;
                    Ok(before + bytes)
                });
            }
        };
        let piece = Piece {
            offset: 0,
            length: range.plan.body,
            position: range.plan.seek,
        };
        let mut moved = Moved::default();
        if piece.length > 0 {
            moved = transfer::run(&mut *range.engine, target.file(), piece, stop, &mut at);
        }
        let tail = range.plan.tail();
        if moved.error.is_none() && tail > 0 {
            // Less than one block: the next range begins in another.
            let mut bytes = vec![0; tail as usize];
            let written = range
                .source
                .read_at(&mut bytes, range.plan.body)
                .map_err(|error| error.errno)
                .and_then(|()| {
                    let file = target.buffered().map_err(|error| error.errno)?;
                    file.write_all_at(&bytes, range.plan.seek + range.plan.body)
                        .map_err(|error| errno_of(&error))
                });
            match written {
                Ok(()) => {
                    moved.bytes += tail;
                    moved.copied += tail;
                }
                Err(errno) => moved.error = Some(errno),
            }
        }
        all.bytes += moved.bytes;
        all.direct += moved.direct;
        all.copied += moved.copied;
        all.error = moved.error;
        if all.error.is_some() || moved.bytes < range.extent.length {
            break;
        }
    }
    if all.error.is_some_and(|errno| errno != Errno::EINTR) && target.is_gone() {
        all.error = Some(Errno::ENODEV);
    }
    all
}

/// Whether what was moved is where it has been put.
fn check(ranges: &[Range<'_>], target: &Output, done: u64) -> Result<()> {
    for range in ranges {
        let is_zero = |offset, length| range.source.is_zero(offset, length);
        let data = Span {
            offset: range.plan.seek,
            length: range.there(done),
        };
        if data.length > 0 {
            target.check_data(data, Holes::ForZeros(&is_zero))?;
        }
    }
    Ok(())
}

/// `--verify`: what is on the target, against the digest or the regions.
fn verify(
    job: &Job,
    source: &Several,
    ranges: &[Range<'_>],
    digest: Option<&Digest>,
    show: bool,
    stop: &Stop,
) -> Result<()> {
    let runs = ranges
        .iter()
        .map(|range| Span {
            offset: range.plan.seek,
            length: range.extent.length,
        })
        .collect();
    let mut read_back = ReadBack::open_runs(&job.target, runs, stop)?.shown(show);
    match digest {
        Some(digest) => read_back.expect_digest(digest),
        None => read_back.expect_bytes(source, 0),
    }
}

fn incomplete(job: &Job, done: u64, whole: u64, errno: Errno) -> Error {
    let (code, reason) = advice::of(errno, Doing::Transfer);
    Error::new(
        code,
        "dump incomplete",
        job.name(),
        errno,
        format!("{reason}; {done} of {whole} bytes are on the target, make it again"),
    )
}
