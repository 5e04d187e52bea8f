// SPDX-License-Identifier: MIT

//! `resdump dump REGION... TARGET` and `resdump dump --all TARGET`: several regions into one ELF core,
//! a segment each, by direct I/O as one alone; or into one LiME file, a range each.

use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::{headers, incomplete::blame, job::Job, known, open};
use crate::{
    advice::{self, Doing},
    codec::{
        digest::{Algorithm, Digest, Hasher},
        format::{
            Format,
            elf::{self, Segment},
            lime,
        },
    },
    console::Console,
    engine::{self, Engine, Moved, Piece},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::{Manifest, Part},
    output::{Holes, Manner, Output},
    progress::Progress,
    readback::ReadBack,
    report::{Clock, Report},
    signals::Stop,
    source::{Extent, Several, Source, digest},
    span::{Alignment, Plan, Span},
    text, transfer,
};

/// A region of the dump.
struct Range<'a> {
    source: &'a dyn Source,
    engine: Box<dyn Engine + 'a>,
    /// Where its bytes are among those of all.
    extent: Extent,
    /// Where they go to.
    plan: Plan,
}

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
    manifest.set_ranges(ranges.iter().map(told).collect());
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

/// Headers, then one range after the other, each where direct I/O can begin.
fn lay_out<'a>(
    job: &Job,
    source: &'a Several,
    engines: Vec<Box<dyn Engine + 'a>>,
    alignment: Alignment,
) -> Result<Vec<Range<'a>>> {
    let extents = source.extents();
    // A core has all headers at its start, a LiME file one before each range.
    let (align, mut at, between) = match job.format {
        Format::Lime => (1, lime::HEADER, lime::HEADER),
        Format::Elf | Format::Raw => {
            let align = elf::DATA_OFFSET.max(alignment.offset.into());
            (align, headers::header_bytes_of(source, &extents, align)?, 0)
        }
    };
    let mut ranges = Vec::new();
    for ((source, extent), engine) in source.parts().zip(engines) {
        let mut alignment = alignment;
        if engine.any_address() {
            alignment.memory = 1;
        }
        let span = Span {
            offset: 0,
            length: extent.length,
        };
        let base = source.region().and_then(Source::base).unwrap_or(0);
        let plan = Plan::new(span, at, base, alignment)?;
        at = (at + extent.length).next_multiple_of(align) + between;
        ranges.push(Range {
            source,
            engine,
            extent,
            plan,
        });
    }
    log::debug!("{}: {at} bytes", job.name());
    Ok(ranges)
}

fn told(range: &Range<'_>) -> Part {
    Part {
        region: Some(range.source.name().into()),
        base: range.extent.base,
        length: range.extent.length,
        data_offset: range.plan.seek,
    }
}

/// All of them, and what is between them.
fn extent(ranges: &[Range<'_>]) -> Plan {
    let first = ranges[0].plan.seek;
    let last = &ranges[ranges.len() - 1];
    let length = last.plan.seek + last.extent.length - first;
    Plan {
        span: Span { offset: 0, length },
        seek: first,
        body: length,
    }
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

/// How many of the first `done` bytes of all are in a range.
fn there(range: &Range<'_>, done: u64) -> u64 {
    done.saturating_sub(range.extent.offset)
        .min(range.extent.length)
}

/// The headers: last, so that they never promise what is not there. A check sum of all that is no memory.
fn describe(
    job: &Job,
    source: &Several,
    ranges: &[Range<'_>],
    target: &Output,
    manifest: &Manifest,
    done: u64,
) -> Result<Option<Digest>> {
    let Some(end) = ranges
        .iter()
        .filter(|range| there(range, done) > 0)
        .map(|range| range.plan.seek + there(range, done))
        .max()
    else {
        return Ok(None);
    };
    target.truncate(end)?;
    let mut hasher = Hasher::new(Algorithm::Crc32c);
    let mut at = 0;
    for (place, header) in headers_of(job, source, ranges, manifest, done)? {
        target
            .buffered()?
            .write_all_at(&header, place)
            .map_err(|error| {
                let name = text::name(target.path());
                Error::during(Doing::Write, "cannot write header", name, &error)
            })?;
        hasher.update(&header);
        at = place + header.len() as u64;
    }
    if job.format == Format::Elf {
        // What is between the ranges was allocated, and never written.
        for range in ranges {
            hasher.update(&vec![0; (range.plan.seek - at) as usize]);
            at = range.plan.seek + range.extent.length;
        }
    }
    Ok(Some(hasher.finish()))
}

/// Each header, and where it goes to.
fn headers_of(
    job: &Job,
    source: &Several,
    ranges: &[Range<'_>],
    manifest: &Manifest,
    done: u64,
) -> Result<Vec<(u64, Vec<u8>)>> {
    if job.format == Format::Lime {
        return ranges
            .iter()
            .filter(|range| there(range, done) > 0)
            .map(|range| {
                let base = range.extent.base.unwrap_or(0);
                let header = headers::lime(base, there(range, done))?;
                Ok((range.plan.seek - lime::HEADER, header))
            })
            .collect();
    }
    let segments = ranges
        .iter()
        .map(|range| Segment {
            physical: range.extent.base.unwrap_or(0),
            virt: range.extent.base.unwrap_or(0),
            at: range.plan.seek,
            length: range.extent.length,
            stored: there(range, done),
        })
        .collect();
    let header = headers::header_of(source, segments, manifest.note())?;
    Ok(vec![(0, header)])
}

/// Whether what was moved is where it has been put.
fn check(ranges: &[Range<'_>], target: &Output, done: u64) -> Result<()> {
    for range in ranges {
        let is_zero = |offset, length| range.source.is_zero(offset, length);
        let data = Span {
            offset: range.plan.seek,
            length: there(range, done),
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
