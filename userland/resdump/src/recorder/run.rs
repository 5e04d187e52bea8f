// SPDX-License-Identifier: MIT

//! The loop of a recorder.

mod machine;

use std::{
    io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::errno::Errno;
use resdump_format::recording::{
    index::{Origin, Record, Writer},
    layout::Layout,
    planner::{Need, Planner, Step},
    position::Sample,
    session,
};

use super::{
    feed::Feed,
    files::{self, Files, Taken},
    kept::Kept,
    limits::{Limits, NO_CONSUMER, NO_POSITION, NO_WAIT, Outcome, Refusal, State},
};
use crate::{
    error::errno_of,
    signals::{Stop, Trigger},
};

/// Longest time that the loop waits for anything.
const LONGEST: Duration = Duration::from_secs(1);
/// Block of the index: no smaller than that of a disk.
const INDEX_BLOCK: usize = 4096;

type Failure = (&'static str, Errno);

#[derive(Clone, Copy)]
struct Flying {
    since: Instant,
    length: u64,
    segment: u64,
}

struct Recorder<'a> {
    feed: &'a mut dyn Feed,
    files: Files,
    index: Writer,
    /// Of a recording that keeps its last bytes alone.
    kept: Option<Kept>,
    begun: Instant,
    /// What is in flight in a slot.
    flying: Vec<Option<Flying>>,
    stall: Duration,
    wakeups: u64,
    segments: u64,
    last: Option<(u64, u64)>,
    /// End of what was submitted, in the stream.
    submitted: u64,
    /// Before this position the device may write again.
    settled: Option<u64>,
    failure: Option<Failure>,
}

/// Records into the folder until `stop`, or behind the last `trigger` if it began with one; else a trigger is noted in the
/// index. `watch` sees where it is after each turn.
pub fn run(
    feed: &mut dyn Feed,
    Taken { folder, .. }: &Taken,
    limits: &Limits,
    stop: &Stop,
    trigger: &Trigger,
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
    let first =
        files::first_free(folder, limits.segment).map_err(cannot("cannot read the folder"))?;
    let sample = feed
        .position()
        .map_err(|errno| Refusal::System(NO_POSITION, errno))?;
    // What has come since the trigger is between the history and the device.
    let history = |sample: &Sample| {
        let since = limits.since.unwrap_or(sample.bytes);
        limits.history + sample.bytes.saturating_sub(since)
    };
    // Before anything is made.
    Planner::new(limits.ring, layout, &sample, history(&sample), first)?;
    let files = Files::new(folder, first, limits.segment, limits.keep_free)
        .map_err(cannot("cannot make a segment"))?;
    files
        .sync_names()
        .map_err(cannot("cannot make the folder durable"))?;
    let sample = feed
        .position()
        .map_err(|errno| Refusal::System(NO_POSITION, errno))?;
    let mut planner = Planner::new(limits.ring, layout, &sample, history(&sample), first)?;
    if let Some(most) = limits.max_size {
        planner.set_room(planner.begin().saturating_add(most));
    }
    let mut recorder = Recorder {
        feed,
        files,
        index: Writer::new(run_number(), INDEX_BLOCK),
        kept: limits.keep.map(Kept::new),
        begun: Instant::now(),
        flying: vec![None; limits.depth],
        stall: Duration::ZERO,
        wakeups: 0,
        segments: 0,
        last: None,
        submitted: planner.begin(),
        settled: None,
        failure: None,
    };
    recorder.push(Record::Origin(origin(limits, &planner)));
    if limits.post.is_some() {
        let offset = limits.since.map(|since| planner.at(since));
        recorder.triggered(&mut planner, offset, limits.post);
    }
    let full = recorder.record(&mut planner, limits, (stop, trigger), watch);
    recorder.end(&planner);
    Ok(Outcome {
        state: recorder.state(&planner),
        first,
        segments: recorder.segments,
        failure: recorder.failure,
        full,
        discarded: recorder.kept.map_or(0, |kept| kept.discarded),
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

impl Recorder<'_> {
    fn now(&self) -> u64 {
        nanoseconds(self.begun.elapsed())
    }

    fn push(&mut self, record: Record) {
        if let Some(kept) = &mut self.kept {
            kept.note(&record);
        }
        self.index.push(self.now(), record);
    }

    fn state(&self, planner: &Planner) -> State {
        State {
            account: *planner.account(),
            produced: planner.produced(),
            stall: self.stall,
            wakeups: self.wakeups,
        }
    }

    fn index_state(&self, planner: &Planner) -> resdump_format::recording::index::State {
        let stall = nanoseconds(self.stall);
        resdump_format::recording::index::State::new(planner.account(), planner.produced(), stall)
    }

    /// Until everything is accounted for. Whether the place was used up.
    fn record(
        &mut self,
        planner: &mut Planner,
        limits: &Limits,
        (stop, trigger): (&Stop, &Trigger),
        watch: &mut dyn FnMut(&State),
    ) -> bool {
        let mut full = false;
        // None for a time beyond all clocks.
        let mut due = self.begun.checked_add(limits.checkpoint);
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
            } else if trigger.take() {
                self.triggered(planner, None, limits.post);
            } else if let Some(position) = self.feed.triggered() {
                let offset = planner.at(position);
                self.triggered(planner, Some(offset), limits.post);
            }
            let is_due = due.is_some_and(|due| now >= due) && !self.files.is_flushing();
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
            self.give_back(planner);
            self.shed();
            if !is_due && self.files.has_gone() && !self.files.is_flushing() {
                self.checkpoint(planner);
            }
            if is_due {
                // A device that stands still leaves nothing to write.
                if !self.index.is_empty() {
                    self.checkpoint(planner);
                }
                due = now.checked_add(limits.checkpoint);
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
            let due = due.filter(|_| !self.files.is_flushing());
            let next = due.into_iter().chain(end).min();
            let left = next.map(|at| at.saturating_duration_since(Instant::now()));
            let guard = match position {
                // Who waits for a position has it looked at in time.
                Some(_) => LONGEST,
                None => limits.patience.map_or(LONGEST, |time| time / 2),
            };
            let longest = left
                .unwrap_or(LONGEST)
                .min(guard)
                .clamp(Duration::from_millis(1), LONGEST);
            self.wakeups += 1;
            if step != Step::Full
                && let Err(error) = self.feed.wait(position, longest)
                && self.failed((NO_WAIT, errno_of(&error)))
            {
                return full;
            }
        }
    }

    /// A trigger came, when the device was at `offset`, or where it was seen last: the run ends `post` bytes behind that,
    /// if there is an end.
    fn triggered(&mut self, planner: &mut Planner, offset: Option<u64>, post: Option<u64>) {
        let offset = offset.unwrap_or_else(|| planner.position());
        self.push(Record::Trigger { offset });
        if let Some(post) = post {
            planner.end_after(offset.saturating_add(post));
        }
    }

    /// Lets the device write over what is settled.
    fn give_back(&mut self, planner: &Planner) {
        let settled = planner.settled();
        if self.settled != Some(settled) {
            self.settled = Some(settled);
            if let Err(errno) = self.feed.consumed(settled) {
                self.failed((NO_CONSUMER, errno));
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
        let (now, state) = (self.now(), self.index_state(planner));
        let at = match &mut self.kept {
            Some(kept) if kept.is_long(self.index.length()) => {
                self.index = Writer::new(run_number(), INDEX_BLOCK);
                kept.rewrite(&mut self.index, now, state);
                None
            }
            _ => Some(self.index.length()),
        };
        let (_, bytes) = self.index.take(now);
        if let (None, Some(kept)) = (at, &mut self.kept) {
            kept.written(bytes.len());
        }
        self.files.checkpoint(at, bytes, state.recorded);
    }

    /// Lets the segments go that need not be kept.
    fn shed(&mut self) {
        let flying = self.flying.iter().flatten().map(|it| it.segment);
        let settled = flying.min().unwrap_or(u64::MAX);
        while let Some((number, gone)) = self
            .kept
            .as_mut()
            .and_then(|kept| kept.shed(self.submitted, settled))
        {
            self.push(Record::Part(gone));
            self.files.remove(number);
        }
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
            self.files.checkpoint(Some(at), bytes, state.recorded);
            self.files.settle()?;
            self.files.sync_names()
        };
        if let Err(error) = steps() {
            self.failed(("cannot flush", errno_of(&error)));
        }
    }
}
