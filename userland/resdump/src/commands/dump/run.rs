// SPDX-License-Identifier: MIT

//! A dump on its way: the bytes, their digest, what is durable, and whether it is what it should be.

use std::{io, path::Path};

use nix::errno::Errno;

use super::{
    headers,
    incomplete::{blame, incomplete, trusted},
    job::Job,
    layout::{BLOCK, Layout},
};
use crate::{
    advice::{self, Doing},
    codec::{
        digest::{Algorithm, Digest, Hasher},
        format::Format,
    },
    engine::{self, Engine, Moved, Piece, Sparse},
    error::{Error, Result},
    journal::Journal,
    output::{Holes, Output},
    progress::Progress,
    readback::ReadBack,
    report::{Clock, Report},
    signals::Stop,
    source::{Source, digest},
    span::Span,
    text, transfer,
};

/// A dump on its way.
pub(super) struct Run<'a> {
    pub(super) job: &'a Job,
    pub(super) source: &'a dyn Source,
    pub(super) target: &'a Output,
    pub(super) layout: &'a Layout,
    pub(super) stop: &'a Stop,
}

impl Run<'_> {
    /// Writes everything and makes it durable, the digest being computed meanwhile.
    pub(super) fn run(
        &self,
        engine: &mut dyn Engine,
        mut journal: Option<&mut Journal>,
        show: bool,
        report: &mut Report<'_>,
    ) -> (Moved, Option<Digest>, Option<Error>) {
        let abort = Stop::default();
        let cancelled = || self.stop.requested() || abort.requested();
        let work = || {
            let clock = Clock::start();
            let mut progress = Progress::new(self.layout.plan.span.length, show);
            let moved = self.write(engine, &mut |bytes| {
                progress.at(bytes);
                if let Some(journal) = &mut journal {
                    journal.at(|| self.checkpoint(bytes));
                }
            });
            drop(progress);
            let finished = self.finish(&moved, journal.as_deref());
            report.moved(&moved, self.layout.done);
            report.time(&clock, finished.sync_seconds);
            report.synced = Some(finished.synced && !self.target.is_in_memory());
            report.in_memory &= finished.kept.is_none();
            report.headers.clone_from(&finished.headers);
            if finished.changed.is_some() {
                report.distrust();
            }
            if report.bytes < self.layout.span.length {
                abort.request();
            }
            let error = finished
                .changed
                .or(moved.error.map(|errno| {
                    let stopped = incomplete(
                        self.job,
                        self.target.kind(),
                        &moved,
                        self.layout,
                        finished.kept,
                        self.is_snapshot(),
                        errno,
                    );
                    let at = self.layout.plan.span.offset + moved.bytes;
                    blame(self.source, at, stopped)
                }))
                .or(finished.error)
                .or_else(|| self.check_strict(&moved));
            (moved, error)
        };
        let ((moved, error), digest) = digest::alongside(
            self.source,
            self.layout.span,
            self.job.digest,
            &cancelled,
            digest::ALONE,
            work,
        );
        let (digest, unknown) = digest.map_or_else(|failed| (None, Some(failed)), |it| (it, None));
        (moved, digest, error.or(unknown))
    }

    fn is_snapshot(&self) -> bool {
        self.source.taken().is_some()
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
            moved = if self.job.zero_skip {
                let mut sparse = Sparse::new(engine, self.source);
                transfer::run(&mut sparse, file, piece, self.stop, progress)
            } else {
                transfer::run(engine, file, piece, self.stop, progress)
            };
        }
        if moved.bytes < body
            && self.job.permit.partial
            && let Some(full @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) = moved.error
        {
            let rest = Piece {
                offset: plan.span.offset + moved.bytes,
                length: body - moved.bytes,
                position: plan.seek + moved.bytes,
            };
            let file = self.target.file();
            let block = align.max(BLOCK);
            let more = transfer::squeeze(engine, file, rest, block, full, self.stop);
            moved.bytes += more.bytes;
            moved.direct += more.direct;
            moved.copied += more.copied;
            moved.error = more.error;
        }
        if moved.error.is_none() && room < plan.span.length {
            moved.error = Some(self.layout.full);
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
        // Whatever the kernel answers to a request then: that it is full, that it has no direct I/O.
        if moved.error.is_some_and(|errno| errno != Errno::EINTR) && self.target.is_gone() {
            moved.error = Some(Errno::ENODEV);
        }
        moved
    }

    /// Leaves exactly what was moved on the target, describes it, and makes it durable.
    fn finish(&self, moved: &Moved, journal: Option<&Journal>) -> Finished {
        let plan = &self.layout.plan;
        let cut = if moved.bytes < plan.span.length {
            self.target.truncate(plan.seek + moved.bytes)
        } else {
            Ok(())
        };
        let described = cut.and_then(|()| self.describe(moved));
        let (described, headers) = match described {
            Ok(headers) => (Ok(()), headers),
            Err(error) => (Err(error), None),
        };
        let clock = Clock::start();
        let synced = match journal.and_then(Journal::lost) {
            Some(errno) => Err(self.target.not_synced(errno)),
            None if !self.job.sync => Ok(()),
            None => self.target.sync(),
        };
        let sync_seconds = clock.seconds();
        let kept = journal.map_or(0, Journal::durable);
        // What a disk has lost is missing as well, and was not truncated.
        let changed = match &synced {
            Ok(()) => self.check_data(moved.bytes).err(),
            Err(_) => None,
        };
        Finished {
            synced: self.job.sync && synced.is_ok(),
            sync_seconds,
            headers,
            kept: synced.is_err().then_some(kept),
            error: described
                .and(synced.map_err(|error| Error {
                    advice: format!(
                        "{}; {}",
                        trusted(kept, self.is_snapshot()),
                        advice::of(error.errno, Doing::Sync).1
                    ),
                    ..error
                }))
                .err(),
            changed,
        }
    }

    /// Makes `bytes` more than there were durable, and says how many there are: none that can be
    /// trusted if another program has truncated or removed the file.
    fn checkpoint(&self, bytes: u64) -> io::Result<u64> {
        self.target.try_sync()?;
        Ok(match self.check_data(bytes) {
            Ok(()) => self.layout.done + bytes,
            Err(error) => {
                log::warn!("{error}");
                0
            }
        })
    }

    /// Whether `bytes` more than there were are where they have been put.
    fn check_data(&self, bytes: u64) -> Result<()> {
        let data = Span {
            offset: self.layout.data_offset,
            length: self.layout.done + bytes,
        };
        let is_zero = |offset, length| {
            self.source
                .is_zero(self.layout.span.offset + offset, length)
        };
        let holes = match self.job.zero_skip {
            true => Holes::Anywhere,
            false => Holes::ForZeros(&is_zero),
        };
        self.target.check_data(data, holes)
    }

    /// The headers of a format that has some: last, so that they never promise what is not there.
    fn describe(&self, moved: &Moved) -> Result<Option<Digest>> {
        let stored = self.layout.done + moved.bytes;
        let format = self.job.format;
        if format == Format::Raw || stored == 0 {
            return Ok(None);
        }
        let layout = self.layout;
        let at = layout.data_offset - self.job.seek;
        let header = headers::of(self.source, layout.span, format, stored, at)?;
        self.target
            .write_tail(&header, self.job.seek)
            .map_err(|errno| {
                Error::during(
                    Doing::Write,
                    "cannot write header",
                    text::name(&self.job.target),
                    errno,
                )
            })?;
        let mut hasher = Hasher::new(Algorithm::Crc32c);
        hasher.update(&header);
        Ok(Some(hasher.finish()))
    }

    fn check_strict(&self, moved: &Moved) -> Option<Error> {
        (self.job.strict && moved.copied > 0).then(|| {
            engine::would_copy(
                &self.job.name(),
                "it is complete, but bytes have been copied",
            )
        })
    }

    /// `--verify`: what is on the target, against the digest or the region.
    pub(super) fn verify(
        &self,
        moved: &Moved,
        digest: Option<&Digest>,
        show: bool,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let length = self.layout.done + moved.bytes;
        if !self.job.verify || length == 0 {
            return Ok(());
        }
        let path: &Path = &self.job.target;
        let data = Span {
            offset: self.layout.data_offset,
            length,
        };
        let mut read_back = ReadBack::open(path, data, self.stop)?.shown(show);
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
    /// If what was written cannot be made durable: the bytes of the dump that had been before.
    kept: Option<u64>,
    error: Option<Error>,
    /// Of the headers, if there are any.
    headers: Option<Digest>,
    /// What another program did to the target meanwhile.
    changed: Option<Error>,
}
