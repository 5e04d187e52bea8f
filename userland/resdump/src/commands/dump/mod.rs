// SPDX-License-Identifier: MIT

//! `resdump dump`: a region to a file or block device.

use std::{path::Path, thread};

use nix::errno::Errno;

use crate::{
    digest::{self, Digest},
    engine::{self, Engine, Moved, Piece, Sparse},
    error::{Error, Result},
    exit_codes::ExitCode,
    format::{Format, elf},
    journal::Journal,
    manifest::{self, Manifest},
    output::Output,
    progress::Progress,
    readback::ReadBack,
    report::{Clock, Report},
    signals::{self, Stop},
    source::{self, Region, Source},
    span::Span,
    target::Target,
    transfer,
};

mod args;
mod incomplete;
mod layout;
mod stream;

pub use args::Args;
use layout::Layout;

/// A dump on its way.
struct Job<'a> {
    args: &'a Args,
    source: &'a dyn Source,
    target: &'a Target,
    layout: &'a Layout,
    stop: &'a Stop,
}

/// Runs `dump`.
///
/// Everything that can be refused is refused before the target is changed: the range, then the
/// engine, then the target, then alignment and room.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode> {
    if let Some(place) = stream::Place::of(&args.target) {
        return stream::run(args, &place, output);
    }
    if args.compress.is_some() {
        return Err(Error::new(
            ExitCode::Usage,
            "no compressed files",
            "--compress",
            Errno::EINVAL,
            "direct I/O takes the bytes as they are: dump to '-' and redirect it",
        ));
    }
    let source = source::open(&args.region)?;
    let source = &*source;
    let span = Span::new(args.offset, args.length, source.size())?;
    let mut engine = engine::open(args.engine, source, span, args.settings(), args.strict)?;
    let target = Target::open(&args.target, engine.direct(), args.permit())?;
    let prepared = Layout::new(args, source, &*engine, span, &target)
        .and_then(|layout| Ok((prepare(args, source, &layout, &target)?, layout)));
    let (mut journal, layout) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            abandon(args, target);
            return Err(error);
        }
    };
    let stop = Stop::on_signals()
        .map_err(|error| Error::io("cannot handle", "SIGINT and SIGTERM", &error))?;
    let job = Job {
        args,
        source,
        target: &target,
        layout: &layout,
        stop: &stop,
    };

    let name = args.target.to_string_lossy();
    let mut report = Report::new(source.name(), source.base(), span);
    report.target(&name, target.kind(), args.seek);
    let show = !args.quiet && !output.is_json();
    let (moved, digest, error) = job.run(&mut *engine, journal.as_mut(), show, &mut report);
    report.engine(&*engine);

    let verified = job.verify(&moved, digest.as_ref(), &mut report);
    report.complete &= verified.is_ok();
    let mut error = error.or(verified.err());
    report.digest = digest;
    if layout.done + moved.bytes == 0 {
        drop(journal);
        abandon(args, target);
    } else if let Some(journal) = journal {
        report.manifest = Some(journal.path().display().to_string());
        let stored = journal.finish(|manifest| record(manifest, &report, error.as_ref()));
        error = error.or(stored.err());
    }
    if output.is_json() {
        output.object(&report, error.as_ref())?;
    } else if !args.quiet {
        output.text(|out| writeln!(out, "{report}"))?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| output.complain(&error)))
}

/// Makes it known that the target is not complete, and makes room.
fn prepare(
    args: &Args,
    source: &dyn Source,
    layout: &Layout,
    target: &Target,
) -> Result<Option<Journal>> {
    let stale = manifest::beside(&args.target);
    let journal = match args.manifest(target.kind()) {
        Some(path) => {
            let abi = source.region().map_or(0, Region::abi);
            let origin = layout.origin(source);
            let mut manifest = Manifest::begin(origin, args.format, layout.data_offset, abi);
            manifest.bytes = layout.done;
            manifest.resumed = layout.done;
            manifest.digest.clone_from(&layout.digest);
            Some(Journal::begin(&path, manifest)?)
        }
        None if target.kind() == crate::target::Kind::File => {
            manifest::remove(&stale)?;
            None
        }
        None => None,
    };
    target.prepare(&layout.plan, layout.room, args.zero_skip)?;
    Ok(journal)
}

/// Takes away what has been made, when nothing is going to be written.
fn abandon(args: &Args, target: Target) {
    let kind = target.kind();
    if target.abandon()
        && let Some(path) = args.manifest(kind)
        && let Err(error) = manifest::remove(&path)
    {
        log::warn!("{error}");
    }
}

/// The last word on a dump.
fn record(manifest: &mut Manifest, report: &Report<'_>, error: Option<&Error>) {
    manifest.complete = report.complete && report.synced;
    // Without a sync that worked, what was known before is all that is known.
    if report.synced {
        manifest.bytes = report.bytes;
    }
    manifest.direct = report.direct;
    manifest.copied = report.copied;
    manifest.skipped = report.skipped;
    manifest.engine = report.engine.as_str().into();
    manifest.engine_reason.clone_from(&report.engine_reason);
    if report.digest.is_some() {
        manifest.digest.clone_from(&report.digest);
    }
    manifest.verified = report.verified;
    manifest.error = error.map(ToString::to_string);
}

impl Job<'_> {
    /// Writes everything and makes it durable, the digest being computed meanwhile.
    fn run(
        &self,
        engine: &mut dyn Engine,
        mut journal: Option<&mut Journal>,
        show: bool,
        report: &mut Report<'_>,
    ) -> (Moved, Option<Digest>, Option<Error>) {
        let abort = Stop::default();
        let cancelled = || self.stop.requested() || abort.requested();
        thread::scope(|scope| {
            // A signal is for the thread that waits for the disk.
            let hasher = signals::blocked(|| {
                self.args.digest.map(|algorithm| {
                    let cancelled = &cancelled;
                    scope.spawn(move || {
                        digest::of(self.source, self.layout.span, algorithm, cancelled)
                    })
                })
            });
            let clock = Clock::start();
            let mut progress = Progress::new(self.layout.plan.span.length, show);
            let moved = self.write(engine, &mut |bytes| {
                progress.at(bytes);
                if let Some(journal) = &mut journal {
                    journal.at(self.layout.done + bytes, self.target.file());
                }
            });
            drop(progress);
            let finished = self.finish(&moved);
            let done = self.layout.done + moved.bytes;
            report.moved(&moved, self.layout.done);
            report.time(&clock, finished.sync_seconds);
            report.synced = finished.synced;

            if done < self.layout.span.length {
                abort.request();
            }
            let mut error = moved
                .error
                .map(|errno| {
                    let kind = self.target.kind();
                    incomplete::incomplete(self.args, kind, &moved, self.layout, errno)
                })
                .or(finished.error)
                .or_else(|| self.check_strict(&moved));
            let digest = match hasher.map(thread::ScopedJoinHandle::join) {
                Some(Ok(Ok(None))) => {
                    error = error.or_else(|| Some(self.no_digest()));
                    None
                }
                Some(Ok(Ok(digest))) => digest,
                Some(Ok(Err(failed))) => {
                    error = error.or(Some(failed));
                    None
                }
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => None,
            };
            (moved, digest, error)
        })
    }

    /// Body by the engine, tail through the page cache.
    fn write(&self, engine: &mut dyn Engine, progress: &mut dyn FnMut(u64)) -> Moved {
        let plan = &self.layout.plan;
        let room = self.layout.room;
        let mut moved = Moved::default();
        let align = u64::from(self.target.alignment().offset);
        let body = plan.body.min(room - room % align);
        if body > 0 {
            let piece = Piece {
                offset: plan.span.offset,
                length: body,
                position: plan.seek,
            };
            let file = self.target.file();
            moved = if self.args.zero_skip {
                let mut sparse = Sparse::new(engine, self.source);
                transfer::run(&mut sparse, file, piece, self.stop, progress)
            } else {
                transfer::run(engine, file, piece, self.stop, progress)
            };
        }
        if moved.direct > 0 && self.target.copies() {
            log::warn!("the target is in memory: nothing went by direct I/O");
            moved.copied += moved.direct;
            moved.direct = 0;
        }
        if moved.error.is_none() && room < plan.span.length {
            moved.error = Some(Errno::ENOSPC);
        }
        let tail = plan.tail();
        if moved.error.is_none() && tail > 0 {
            // Less than one block.
            let mut bytes = vec![0; tail as usize];
            let written = self
                .source
                .read_at(&mut bytes, plan.span.offset + plan.body)
                .map_err(|error| error.errno)
                .and_then(|()| self.target.write_tail(&bytes, plan.seek + plan.body));
            match written {
                Ok(()) => {
                    moved.bytes += tail;
                    moved.copied += tail;
                }
                Err(errno) => moved.error = Some(errno),
            }
        }
        moved
    }

    /// Leaves exactly what was moved on the target, describes it, and makes it durable.
    fn finish(&self, moved: &Moved) -> Finished {
        let plan = &self.layout.plan;
        let cut = if moved.bytes < plan.span.length {
            self.target.truncate(plan.seek + moved.bytes)
        } else {
            Ok(())
        };
        let described = cut.and_then(|()| self.describe(moved));
        let clock = Clock::start();
        let sync = !self.args.no_sync;
        let synced = if sync { self.target.sync() } else { Ok(()) };
        Finished {
            synced: sync && synced.is_ok(),
            sync_seconds: clock.seconds(),
            error: described.and(synced).err(),
        }
    }

    /// The headers of a format that has some: last, so that they never promise what is not there.
    fn describe(&self, moved: &Moved) -> Result<()> {
        let stored = self.layout.done + moved.bytes;
        if self.args.format != Format::Elf || stored == 0 {
            return Ok(());
        }
        let abi = self.source.region().map_or(0, Region::abi);
        let origin = self.layout.origin(self.source);
        let note = Manifest::begin(origin, Format::Elf, self.layout.data_offset, abi).note();
        let header = elf::header(&elf::Image {
            endian: elf::native_endian(),
            machine: elf::native_machine(),
            base: self.source.base().unwrap_or(0) + self.layout.span.offset,
            length: self.layout.span.length,
            stored,
            data_offset: self.layout.data_offset - self.args.seek,
            note,
        });
        self.target
            .write_tail(&header, self.args.seek)
            .map_err(|errno| {
                Error::system("cannot write header", self.args.target.display(), errno)
            })
    }

    /// Somebody did not want to wait for it.
    fn no_digest(&self) -> Error {
        Error::new(
            ExitCode::Interrupted,
            "no digest",
            self.args.target.display(),
            Errno::EINTR,
            "stopped by a signal; all bytes are on the target",
        )
    }

    fn check_strict(&self, moved: &Moved) -> Option<Error> {
        (self.args.strict && moved.copied > 0).then(|| {
            engine::would_copy(
                &self.args.target.to_string_lossy(),
                "it is complete, but bytes have been copied",
            )
        })
    }

    /// `--verify`: what is on the target, against the digest or the region.
    fn verify(
        &self,
        moved: &Moved,
        digest: Option<&Digest>,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let length = self.layout.done + moved.bytes;
        if !self.args.verify || length == 0 {
            return Ok(());
        }
        let path: &Path = &self.args.target;
        let data = Span {
            offset: self.layout.data_offset,
            length,
        };
        let mut read_back = ReadBack::open(path, data)?;
        match digest {
            Some(digest) if length == self.layout.span.length => read_back.expect_digest(digest)?,
            _ => read_back.expect_bytes(self.source, self.layout.span.offset)?,
        }
        report.verified = true;
        Ok(())
    }
}

/// How a dump was brought to an end after the last byte.
struct Finished {
    synced: bool,
    sync_seconds: f64,
    error: Option<Error>,
}
