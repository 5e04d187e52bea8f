// SPDX-License-Identifier: MIT

//! The loop of a recorder.

use std::{
    io,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::errno::Errno;
use recording::{
    index::{Origin, Record, Writer},
    layout::{Gaps, Layout},
    planner::{Account, Chunk, Event, Flaw, Need, Planner, Step},
    position::Sample,
    proof::Ring,
    session::{self, Machine},
};

use super::{
    feed::Feed,
    files::{self, Files},
};
use crate::{error::errno_of, signals::Stop};

/// Longest time that the loop waits for anything.
const LONGEST: Duration = Duration::from_secs(1);
/// Block of the index: no smaller than that of a disk.
const INDEX_BLOCK: usize = 4096;

/// How a ring is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The ring.
    pub ring: Ring,
    /// Declared greatest rate in bytes a second, or 0.
    pub max_rate: u64,
    /// The position is a place in the ring alone.
    pub bounded: bool,
    /// Longest time between two looks at the position.
    pub patience: Option<Duration>,
    /// Bytes of those in the ring that belong to the recording.
    pub history: u64,
    /// Most bytes of a write.
    pub chunk: u64,
    /// Most writes in flight.
    pub depth: usize,
    /// Block of the disk.
    pub block: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// What becomes of lost bytes.
    pub gaps: Gaps,
    /// Most bytes of this run on disk.
    pub max_size: Option<u64>,
    /// Bytes of the file system that are left.
    pub keep_free: u64,
    /// How long.
    pub duration: Option<Duration>,
    /// Between two checkpoints.
    pub checkpoint: Duration,
}

/// Where a recording is.
#[derive(Clone, Debug)]
pub struct State {
    /// Totals.
    pub account: Account,
    /// Bytes that the device has put into memory.
    pub produced: u64,
    /// The longest time that a write took.
    pub stall: Duration,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// Totals.
    pub state: State,
    /// Number of the first segment.
    pub first: u64,
    /// Segments that were begun.
    pub segments: u64,
    /// What ended it, unless that was asked for.
    pub failure: Option<(&'static str, Errno)>,
    /// It ended because its place was used up.
    pub full: bool,
}

/// Why it was not begun.
#[derive(Debug)]
pub enum Refusal {
    /// By the sizes.
    Flaw(Flaw),
    /// A system call failed.
    System(&'static str, Errno),
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

type Failure = (&'static str, Errno);

#[derive(Clone, Copy)]
struct Flying {
    since: Instant,
    length: u64,
    segment: u64,
}

struct Recorder<'a, F> {
    feed: &'a mut F,
    files: Files,
    index: Writer,
    begun: Instant,
    /// What is in flight in a slot.
    flying: Vec<Option<Flying>>,
    stall: Duration,
    segments: u64,
    last: Option<(u64, u64)>,
    failure: Option<Failure>,
}

/// Records into `folder` until `stop`; `watch` sees where it is after each turn.
pub fn run<F: Feed>(
    feed: &mut F,
    folder: &Path,
    limits: &Limits,
    stop: &Stop,
    watch: &mut dyn FnMut(&State),
) -> Result<Outcome, Refusal> {
    let cannot = |what| move |error: io::Error| Refusal::System(what, errno_of(&error));
    let layout = Layout {
        chunk: limits.chunk,
        block: limits.block,
        segment: limits.segment,
        depth: limits.depth,
        gaps: limits.gaps,
    };
    let first = files::first_free(folder).map_err(cannot("cannot make the folder"))?;
    let sample = feed
        .position()
        .map_err(|errno| Refusal::System("cannot read the position", errno))?;
    // Before anything is made.
    Planner::new(limits.ring, layout, &sample, limits.history, first)?;
    let files = Files::new(folder, first, limits.segment, limits.keep_free)
        .map_err(cannot("cannot make a segment"))?;
    files
        .sync_names()
        .map_err(cannot("cannot make the folder durable"))?;
    let sample = feed
        .position()
        .map_err(|errno| Refusal::System("cannot read the position", errno))?;
    let mut planner = Planner::new(limits.ring, layout, &sample, limits.history, first)?;
    if let Some(most) = limits.max_size {
        planner.set_room(planner.begin().saturating_add(most));
    }
    let mut recorder = Recorder {
        feed,
        files,
        index: Writer::new(run_number(), INDEX_BLOCK),
        begun: Instant::now(),
        flying: vec![None; limits.depth],
        stall: Duration::ZERO,
        segments: 0,
        last: None,
        failure: None,
    };
    recorder.push(Record::Origin(origin(limits, &planner)));
    let full = recorder.record(&mut planner, limits, stop, watch);
    recorder.end(&planner);
    Ok(Outcome {
        state: recorder.state(&planner),
        first,
        segments: recorder.segments,
        failure: recorder.failure,
        full,
    })
}

fn origin(limits: &Limits, planner: &Planner) -> Origin {
    Origin {
        begin: planner.begin(),
        shift: planner.shift(),
        ring: limits.ring.size,
        lead: limits.ring.lead,
        lag: limits.ring.lag,
        max_rate: limits.max_rate,
        segment: limits.segment,
        block: limits.block,
        realtime: realtime(),
        gaps: limits.gaps,
        bounded: limits.bounded,
    }
}

/// Nanoseconds since 1970.
fn realtime() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, nanoseconds)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A number that no other run of a folder has: two runs do not begin at the same nanosecond, by a clock that goes on.
fn run_number() -> u64 {
    realtime() ^ u64::from(std::process::id()) << 48
}

impl<F: Feed> Recorder<'_, F> {
    fn now(&self) -> u64 {
        nanoseconds(self.begun.elapsed())
    }

    fn push(&mut self, record: Record) {
        self.index.push(self.now(), record);
    }

    fn state(&self, planner: &Planner) -> State {
        State {
            account: *planner.account(),
            produced: planner.produced(),
            stall: self.stall,
        }
    }

    fn index_state(&self, planner: &Planner) -> recording::index::State {
        let stall = nanoseconds(self.stall);
        recording::index::State::new(planner.account(), planner.produced(), stall)
    }

    /// Until everything is accounted for. Whether the place was used up.
    fn record(
        &mut self,
        planner: &mut Planner,
        limits: &Limits,
        stop: &Stop,
        watch: &mut dyn FnMut(&State),
    ) -> bool {
        let mut full = false;
        let mut due = self.begun + limits.checkpoint;
        let end = limits
            .duration
            .and_then(|time| self.begun.checked_add(time));
        loop {
            let now = Instant::now();
            if self.failure.is_some() {
                planner.cut();
            }
            if stop.requested() || end.is_some_and(|end| now >= end) {
                planner.stop();
            }
            let is_due = now >= due && !self.files.is_flushing();
            let need = match is_due {
                true => Need::Blocks,
                false => Need::Chunk,
            };
            let step = match session::turn(planner, self, need) {
                Ok(step) => step,
                Err(failure) => {
                    if self.failed(failure) {
                        // Nothing can be judged without a position: what is in flight is not proven.
                        return full;
                    }
                    continue;
                }
            };
            if let Err(error) = self.files.look() {
                self.failed(("cannot flush", errno_of(&error)));
            }
            if is_due {
                self.checkpoint(planner);
                due = now + limits.checkpoint;
            }
            watch(&self.state(planner));
            let position = match step {
                Step::Ended => return full,
                Step::Full => {
                    full = true;
                    planner.cut();
                    None
                }
                Step::Wait(position) => Some(position),
                Step::Busy | Step::Write(_) => None,
            };
            // A flush that is under way puts the next checkpoint off.
            let until_due = match self.files.is_flushing() {
                true => LONGEST,
                false => due.saturating_duration_since(Instant::now()),
            };
            let longest = until_due
                .min(limits.patience.map_or(LONGEST, |time| time / 2))
                .clamp(Duration::from_millis(1), LONGEST);
            if step != Step::Full
                && let Err(error) = self.feed.wait(position, longest)
                && self.failed(("cannot wait", errno_of(&error)))
            {
                return full;
            }
        }
    }

    /// Takes note of a failure; whether there was one before.
    fn failed(&mut self, failure: Failure) -> bool {
        let before = self.failure.is_some();
        self.failure.get_or_insert(failure);
        before
    }

    fn checkpoint(&mut self, planner: &Planner) {
        self.push(Record::Checkpoint(self.index_state(planner)));
        let (at, bytes) = self.index.take(self.now());
        self.files.checkpoint(at, bytes);
    }

    /// Nothing is in flight: the last segment is cut, the index has its end, and all is on the medium.
    fn end(&mut self, planner: &Planner) {
        let ended = planner.has_ended();
        let state = self.index_state(planner);
        let mut steps = || -> io::Result<()> {
            self.files.settle()?;
            if ended {
                self.files.cut(self.last)?;
            }
            if ended {
                self.push(Record::End(state));
            }
            let (at, bytes) = self.index.take(self.now());
            self.files.checkpoint(at, bytes);
            self.files.settle()?;
            self.files.sync_names()
        };
        if let Err(error) = steps() {
            self.failed(("cannot flush", errno_of(&error)));
        }
    }
}

impl<F: Feed> Machine for Recorder<'_, F> {
    type Error = Failure;

    fn landed(&mut self) -> Result<Option<(usize, u64)>, Failure> {
        let Some((slot, result)) = self.feed.ended() else {
            return Ok(None);
        };
        let flying = self.flying.get_mut(slot).and_then(Option::take);
        if let Some(flying) = flying {
            self.stall = self.stall.max(flying.since.elapsed());
            self.files.touch(flying.segment);
            match &result {
                Err(error) => drop(self.failed(("cannot write", errno_of(error)))),
                Ok(bytes) if u64::from(*bytes) < flying.length => {
                    self.failed(("cannot write", Errno::ENOSPC));
                }
                Ok(_) => {}
            }
        }
        Ok(Some((slot, result.map_or(0, u64::from))))
    }

    fn position(&mut self) -> Result<Sample, Failure> {
        self.feed
            .position()
            .map_err(|errno| ("cannot read the position", errno))
    }

    fn submit(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        let flying = self.flying.iter().flatten().map(|it| it.segment);
        let oldest = flying.min().unwrap_or(chunk.segment);
        let (file, begun) = self
            .files
            .segment(chunk.segment, oldest)
            .map_err(|error| ("cannot make a segment", errno_of(&error)))?;
        if begun {
            self.segments += 1;
            self.push(Record::Segment {
                number: chunk.segment,
                from: chunk.from,
            });
        }
        let length = u32::try_from(chunk.length).map_err(|_| ("chunk", Errno::EINVAL))?;
        self.feed
            .write(chunk.slot, chunk.memory, length, &file, chunk.offset)
            .map_err(|error| ("cannot write", errno_of(&error)))?;
        self.last = Some((chunk.segment, chunk.offset + chunk.payload));
        if let Some(flying) = self.flying.get_mut(chunk.slot) {
            *flying = Some(Flying {
                since: Instant::now(),
                length: chunk.length,
                segment: chunk.segment,
            });
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        self.push(Record::Part(event));
        Ok(())
    }
}
