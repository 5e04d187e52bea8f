// SPDX-License-Identifier: MIT

//! A dump to a stream: its blocks, its digest, its report.

use std::{fs::File, io};

use nix::errno::Errno;

use super::{incomplete::blame, job::Job};
use crate::{
    advice::{self, Doing},
    codec::digest::Digest,
    console::Console,
    engine::{self, Moved, Name},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::Kind,
    progress::Progress,
    report::{Clock, Report},
    signals::Stop,
    source::{Source, digest},
    span::Span,
    stream::{
        sender::{BLOCK, Sender},
        socket::BEAT,
    },
};

/// What is done with a block before it is sent.
pub(super) type Announce<'a> = &'a mut dyn FnMut(&File, Option<&[u8]>, u32) -> io::Result<()>;

/// A dump to a stream.
pub(super) struct Dump<'a> {
    pub(super) job: &'a Job,
    pub(super) source: &'a dyn Source,
    pub(super) span: Span,
    pub(super) name: &'a str,
    pub(super) stop: Stop,
    pub(super) show: bool,
    pub(super) clock: Clock,
}

impl<'a> Dump<'a> {
    /// A dump of what `job` says.
    pub(super) fn new(
        job: &'a Job,
        source: &'a dyn Source,
        name: &'a str,
        console: &Console,
    ) -> Result<Self> {
        Ok(Self {
            job,
            source,
            span: job.span(source.size())?,
            name,
            stop: Stop::on_signals()?,
            show: !job.quiet && !console.is_json(),
            clock: Clock::start(),
        })
    }

    /// With `--strict` refuses a stream whose bytes would be copied.
    pub(super) fn expect_direct(&self, sender: &Sender<'_>) -> Result<()> {
        match self.job.strict && sender.copies() {
            true => Err(engine::would_copy(
                self.name,
                "it is neither a pipe nor a connection: bytes would go through the page cache",
            )),
            false => Ok(()),
        }
    }

    /// Does `work` while a second thread computes the digest, if one is wanted; while only that is left,
    /// `idle` is called now and then.
    pub(super) fn alongside<T>(
        &self,
        idle: &dyn Fn(),
        work: impl FnOnce() -> (T, io::Result<()>),
    ) -> ((T, io::Result<()>), Result<Option<Digest>>) {
        let abort = Stop::default();
        let cancelled = || self.stop.requested() || abort.requested();
        let work = || {
            let done = work();
            if done.1.is_err() {
                abort.request();
            }
            done
        };
        let algorithm = self.job.digest;
        digest::alongside(
            self.source,
            self.span,
            algorithm,
            &cancelled,
            (BEAT, idle),
            work,
        )
    }

    /// Sends everything from byte `done` on; the bytes that went, and what stopped it. `announce` is given
    /// a block before it is sent: compressed, if it is, and its length. It sends what is compressed.
    pub(super) fn blocks(
        &self,
        sender: &mut Sender<'_>,
        mut done: u64,
        announce: Announce<'_>,
    ) -> (u64, io::Result<()>) {
        let begun = done;
        let mut progress = Progress::new(self.span.length, self.show);
        let result = (|| {
            while done < self.span.length {
                if self.stop.requested() {
                    return Err(Errno::EINTR.into());
                }
                let length = (self.span.length - done).min(BLOCK.into());
                let block = Span {
                    offset: self.span.offset + done,
                    length,
                };
                let packed = self
                    .job
                    .compress
                    .map(|compression| sender.pack(block, compression))
                    .transpose()?;
                announce(sender.out(), packed.as_deref(), length as u32)?;
                if packed.is_none() {
                    sender.send(block)?;
                }
                done += length;
                progress.at(done);
            }
            Ok(())
        })();
        (done - begun, result)
    }

    pub(super) fn report(&self, sender: &Sender<'_>, moved: &Moved, resumed: u64) -> Report<'_> {
        let mut report = Report::of(self.source, self.span);
        report.target(self.name, Kind::Stream, 0);
        report.moved(moved, resumed);
        report.time(&self.clock, 0.0);
        report.engine = if moved.copied > 0 || sender.copies() {
            Name::Read
        } else {
            Name::Mmap
        };
        report.engine_reason = "stream".into();
        report.compression = self.job.compress;
        report.stored = self.job.compress.map(|_| sender.stored);
        report
    }

    pub(super) fn tell(
        &self,
        mut report: Report<'_>,
        digest: Result<Option<Digest>>,
        error: Option<Error>,
        console: &Console,
    ) -> Result<ExitCode> {
        let (digest, unknown) = match digest {
            Ok(digest) => (digest, None),
            Err(error) => (None, Some(error)),
        };
        report.complete &= unknown.is_none();
        report.digest = digest;
        let copied = self.job.strict && report.copied > 0;
        let error = error.or(unknown).or_else(|| {
            copied.then(|| {
                engine::would_copy(self.name, "it is complete, but bytes have been copied")
            })
        });
        report.tell(self.job.quiet, console, error)
    }

    /// Why not all was sent.
    pub(super) fn incomplete(&self, done: u64, error: &io::Error) -> Error {
        let errno = errno_of(error);
        let (code, reason) = advice::of(errno, Doing::Send);
        let stopped = Error::new(
            code,
            "dump incomplete",
            self.name,
            errno,
            format!("{reason}; {done} of {} bytes were sent", self.span.length),
        );
        blame(self.source, self.span.offset + done, stopped)
    }
}

/// What was sent.
pub(super) fn moved(sender: &Sender<'_>, bytes: u64) -> Moved {
    Moved {
        bytes,
        direct: sender.direct,
        copied: sender.copied,
        ..Moved::default()
    }
}
