// SPDX-License-Identifier: MIT

//! The other end of `resdump send`: a serial device, or standard input and output.

use std::time::Duration;

use nix::errno::Errno;

use super::{
    Job, Received, Target, names,
    prepared::Prepared,
    store::{Store, Stored},
};
use crate::{
    codec::compression::Compression,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    progress::Progress,
    signals::Stop,
    stream::{
        frame::{Frame, Kind},
        link::{Line, Link},
        messages::{Header, Trailer, Verdict},
        rescue::{self, BLOCK, Broken, End, Patience, Sink},
    },
};

/// How long a sender may take to say what it is, when it is to be refused.
const REFUSAL: Duration = Duration::from_secs(3);

/// Runs it.
pub(super) fn run(job: &Job, console: &Console) -> Result<ExitCode> {
    // Standard output may be the line.
    let aside = console.aside();
    let console = if job.from == "-" { &aside } else { console };
    let stop = Stop::on_signals()?;
    let mut prepared = match &job.target {
        Target::File(path) => Some(Prepared::open(path, &job.policy)),
        Target::Folder(_) => None,
    };
    let is_refused = matches!(prepared, Some(Err(_)));
    let line = match job.from == "-" {
        true => Line::standard(),
        false => Line::named(&job.from, job.silence),
    };
    let mut line = match (line, prepared.take()) {
        (Ok(line), found) => {
            prepared = found;
            line
        }
        (Err(_), Some(Err(refused))) => return Err(refused),
        (Err(error), _) => return Err(error),
    };
    let patience = Patience {
        give_up: match is_refused {
            true => REFUSAL.min(job.silence),
            false => job.silence,
        },
        ..Patience::default()
    };
    if is_refused {
        // A sender that is there identifies itself at once, and so gets the verdict.
        let _ = line.send(&Frame::bare(Kind::Who, 0));
    }
    let mut taken = 0;
    loop {
        let mut storing = Storing {
            job,
            prepared: prepared.take(),
            store: None,
            compression: None,
            progress: None,
            show: job.shows(console),
            stop: &stop,
            left: Vec::new(),
            ended: None,
        };
        rescue::receive(&mut line, &mut storing, patience, &stop);
        for stored in &storing.left {
            Received::of(stored).tell(job, &console.another(), stored.error.as_ref())?;
        }
        let ended = storing.ended.unwrap_or(Ended::Nothing(Broken::Gone));
        let Some(keep) = job.keep else {
            // The terminal is as it was before something is said there.
            drop(line);
            return match ended {
                Ended::Stored(stored) => {
                    Received::of(&stored).tell(job, console, stored.error.as_ref())
                }
                Ended::Refused(error) => Err(error),
                Ended::Nothing(broken) => Err(nothing(job, broken)),
            };
        };
        match ended {
            Ended::Stored(stored) => {
                let code =
                    Received::of(&stored).tell(job, &console.another(), stored.error.as_ref())?;
                taken += u64::from(code == ExitCode::Ok);
                if keep.count == Some(taken) {
                    return Ok(ExitCode::Ok);
                }
            }
            Ended::Refused(error) => drop(console.another().failure(&error)),
            // A line is silent between two dumps.
            Ended::Nothing(Broken::Silence | Broken::NoFrames) if job.wait.is_none() => {}
            Ended::Nothing(broken) => {
                drop(line);
                return Err(nothing(job, broken));
            }
        }
    }
}

/// Nothing has come that could be stored.
fn nothing(job: &Job, broken: Broken) -> Error {
    let (code, errno, reason) = reason(broken);
    Error::new(
        code,
        "nothing received",
        job.name(),
        errno,
        format!("{reason}; nothing is here"),
    )
}

/// Why it ended, in plain words.
fn reason(broken: Broken) -> (ExitCode, Errno, String) {
    let (errno, reason) = match broken {
        Broken::Silence => (
            Errno::ETIMEDOUT,
            "not a byte has come: start 'resdump send' at the other end, and check the cable",
        ),
        Broken::NoFrames => (
            Errno::EILSEQ,
            "bytes have come, but nothing of 'resdump send': check that both ends have the same speed \
             and parity ('stty -F LINE 115200 cs8 -parenb')",
        ),
        Broken::Deaf => (
            Errno::ETIMEDOUT,
            "the sender is heard, and hears nothing: check the cable and the parity of this direction",
        ),
        Broken::Failed(Errno::EINTR) => {
            return (
                ExitCode::Interrupted,
                Errno::EINTR,
                "stopped by a signal".into(),
            );
        }
        Broken::Failed(errno) => (errno, "the line has failed"),
        Broken::Gone | Broken::Old => (Errno::ENODATA, "the sender is gone"),
    };
    (ExitCode::Incomplete, errno, reason.into())
}

enum Ended {
    Stored(Stored),
    /// Before anything was stored.
    Refused(Error),
    Nothing(Broken),
}

/// What comes, on its way to the file.
struct Storing<'a> {
    job: &'a Job,
    /// Or why the target is refused.
    prepared: Option<Result<Prepared>>,
    store: Option<Store>,
    compression: Option<Compression>,
    progress: Option<Progress>,
    show: bool,
    stop: &'a Stop,
    /// Of senders that ended before, and were followed by that of another dump.
    left: Vec<Stored>,
    ended: Option<Ended>,
}

impl Storing<'_> {
    fn prepared(&mut self, header: &Header) -> Result<Prepared> {
        match (self.prepared.take(), &self.job.target) {
            (Some(prepared), _) => prepared,
            (None, Target::Folder(folder)) => {
                let path = names::free(folder, &header.manifest.origin.region);
                Prepared::open(&path, &self.job.policy)
            }
            (None, Target::File(path)) => Prepared::open(path, &self.job.policy),
        }
    }
}

impl Sink for Storing<'_> {
    fn begin(&mut self, header: Header, blocks: u64) -> Result<u64> {
        let origin = &header.manifest.origin;
        if blocks != origin.length.div_ceil(BLOCK) {
            return Err(no_dump(self.job, "its length is not that of its blocks"));
        }
        self.compression = header.compression;
        let is_other = |store: &mut Store| store.origin() != origin;
        if let Some(store) = self.store.take_if(is_other) {
            if self.job.keep.is_none() {
                self.store = Some(store);
                return Err(no_dump(self.job, "another region or range is sent now"));
            }
            let (code, errno, reason) = reason(Broken::Gone);
            let error = store.incomplete(code, errno, &reason);
            self.left.push(store.finish(Some(error)));
        }
        // A sender that was started again resumes.
        if self.store.is_none() {
            // It is read back in the end.
            let header = Header {
                digest: None,
                ..header
            };
            let prepared = self.prepared(&header)?;
            let mut store = prepared.begin(&header, self.stop)?;
            store.keep_blocks(BLOCK)?;
            self.progress = Some(Progress::new(store.origin().length, self.show));
            self.store = Some(store);
        }
        let bytes = self.store.as_ref().map_or(0, Store::bytes);
        Ok(bytes.div_ceil(BLOCK))
    }

    fn block(&mut self, payload: &[u8]) -> Result<()> {
        let job = self.job;
        let store = self
            .store
            .as_mut()
            .ok_or_else(|| no_dump(job, "a block came first"))?;
        let left = store.origin().length - store.bytes();
        let length = left.min(BLOCK) as usize;
        let unpacked = match self.compression {
            Some(compression) => compression
                .unpack(payload, length)
                .map_err(|_| no_dump(job, "a block cannot be unpacked"))?,
            None if payload.len() == length => payload.to_vec(),
            None => return Err(no_dump(job, "a block has the wrong length")),
        };
        store.write(&unpacked)?;
        if let Some(progress) = &mut self.progress {
            progress.at(store.bytes());
        }
        Ok(())
    }

    fn finish(&mut self, trailer: std::result::Result<&Trailer, End>) -> Verdict {
        self.progress = None;
        let Some(mut store) = self.store.take() else {
            let refused = self.prepared.take().and_then(Result::err);
            let trailer = refused.map_or(trailer, |error| Err(End::Error(error)));
            let (ended, verdict) = match trailer {
                Err(End::Error(error)) => {
                    let verdict = Verdict::of(0, Some(&error));
                    (Ended::Refused(error), verdict)
                }
                Err(End::Broken(broken)) => {
                    let error = nothing(self.job, broken);
                    (Ended::Nothing(broken), Verdict::of(0, Some(&error)))
                }
                Ok(_) => {
                    let error = no_dump(self.job, "the end came first");
                    let verdict = Verdict::of(0, Some(&error));
                    (Ended::Refused(error), verdict)
                }
            };
            self.ended = Some(ended);
            return verdict;
        };
        let error = match trailer {
            Ok(trailer) => store.expect(trailer, true, self.stop).err(),
            Err(End::Error(error)) => Some(error),
            Err(End::Broken(broken)) => {
                let (code, errno, reason) = reason(broken);
                Some(store.incomplete(code, errno, &reason))
            }
        };
        let stored = store.finish(error);
        let verdict = stored.verdict();
        self.ended = Some(Ended::Stored(stored));
        verdict
    }
}

/// What comes makes no sense, although its check sums are right.
fn no_dump(job: &Job, what: &str) -> Error {
    Error::new(
        ExitCode::Incomplete,
        "not a dump",
        job.name(),
        Errno::EPROTO,
        format!("{what}: start 'resdump send' and this again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_says_what_to_do() {
        for (broken, word) in [
            (Broken::Silence, "cable"),
            (Broken::NoFrames, "parity"),
            (Broken::Deaf, "this direction"),
            (Broken::Gone, "gone"),
            (Broken::Failed(Errno::EINTR), "signal"),
        ] {
            assert!(reason(broken).2.contains(word), "{broken:?}");
        }
    }
}
