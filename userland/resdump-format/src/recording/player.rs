// SPDX-License-Identifier: MIT

//! Plays a stream into a ring that a device reads: what may be loaded when, what proves that it was there before the
//! device was, and the account.
//!
//! The proof of a recording ([`proof`](super::proof)) in reverse. P is the position that can be read, W how far the
//! device has truly read; W <= P + lead, and everything before P - lag has been read. A byte x of the stream lies where
//! x - ring lay one lap before, so [a, b) may be loaded once P - lag >= b - ring: nothing is overwritten that the device
//! has still to read. After the disk has finished, P is read again, and
//!
//! ```text
//! P + lead <= a     proves that the range was whole in memory before the device was there;
//! otherwise         exactly [a, min(b, P + lead)) is late: the device may have read what was there before.
//! ```
//!
//! Offsets are those of what is played, from 0 on: byte 0 is what the device reads at the position
//! [`Player::start`]. Nothing shifts: what is not there in time is left out. At any time
//!
//! ```text
//! accounted for = whole + late + missed
//! ```

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, ops::Range, time::Duration};

use crate::recording::{position::Sample, proof::Ring};

/// A device whose position was lost and that has not moved for so long counts as one that has stopped.
pub const STILL: Duration = Duration::from_secs(5);

/// Why a player refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The block.
    #[error("the block is no power of two")]
    Block,
    /// The ring.
    #[error(
        "the ring is not made of whole blocks of the disk, or lead and lag leave nothing of it"
    )]
    Ring,
    /// The chunk.
    #[error(
        "the chunk is not made of whole blocks of the disk, or larger than the ring less lead and lag"
    )]
    Chunk,
    /// The begin.
    #[error("the first byte is farther ahead of the device than the ring less lead and lag")]
    Ahead,
}

/// A read from disk into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Offset of the first byte.
    pub from: u64,
    /// Bytes.
    pub length: u64,
    /// Where in the ring. The range does not wrap there.
    pub memory: u64,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was loaded: go on.
    Loaded,
    /// Wait for the device to reach this position.
    Wait(u64),
    /// The device has read everything, or it was cut.
    Ended,
}

/// What became of a range of what is played: `from`, and the byte after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was in memory before the device was there.
    Whole(u64, u64),
    /// It was loaded, and the device may have been there before it was whole.
    Late(u64, u64),
    /// It was not loaded, because the device may have been there already.
    Missed(u64, u64),
}

/// Totals in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// In memory before the device was there.
    pub whole: u64,
    /// Perhaps not whole when the device was there.
    pub late: u64,
    /// Not loaded.
    pub missed: u64,
    /// The position was lost at some time: the device may have read something more often, or left it out.
    pub unsure: bool,
    /// Least that the device had left to read before it reached what was not proven, since the ring was full first;
    /// negative after an underrun.
    pub headroom: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub struct Player {
    ring: Ring,
    chunk: u64,
    block: u64,
    start: u64,
    /// Everything before is accounted for, or being loaded.
    next: u64,
    end: u64,
    /// What is being loaded.
    flight: Option<Range<u64>>,
    cut: bool,
    full: bool,
    position: u64,
    breaks: u64,
    /// When the device was looked at last, and when it was first seen where it is. Nanoseconds.
    looked: u64,
    moved: u64,
    events: VecDeque<Event>,
    account: Account,
}

impl Player {
    /// Plays `length` bytes to a device that is at `sample`, from the first whole block on that it cannot have read yet
    /// and that is at least `ahead` bytes beyond its position.
    pub fn new(
        ring: Ring,
        (chunk, block): (u64, u64),
        sample: &Sample,
        ahead: u64,
        length: u64,
    ) -> Result<Self, Flaw> {
        if !block.is_power_of_two() {
            return Err(Flaw::Block);
        }
        let usable = ring.usable().ok_or(Flaw::Ring)?;
        if !ring.size.is_multiple_of(block) {
            return Err(Flaw::Ring);
        }
        if chunk == 0 || !chunk.is_multiple_of(block) || chunk > usable {
            return Err(Flaw::Chunk);
        }
        if ahead > usable {
            return Err(Flaw::Ahead);
        }
        let start = sample
            .bytes
            .checked_add(ahead.max(ring.lead))
            .and_then(|start| start.checked_next_multiple_of(block))
            .ok_or(Flaw::Ahead)?;
        Ok(Self {
            ring,
            chunk,
            block,
            start,
            next: 0,
            end: length,
            flight: None,
            cut: false,
            full: false,
            position: sample.bytes,
            breaks: sample.breaks,
            looked: sample.time,
            moved: sample.time,
            events: VecDeque::new(),
            account: Account::default(),
        })
    }

    /// The device's position at which it reads the first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Everything before is accounted for, when nothing is being loaded.
    pub fn at(&self) -> u64 {
        self.next
    }

    /// The device has not moved for [`STILL`], and its position was lost before: the count may be short by laps, so that it
    /// never gets to where it is waited for.
    pub fn has_stopped(&self) -> bool {
        let still = u128::from(self.looked.saturating_sub(self.moved));
        self.account.unsure && still >= STILL.as_nanos()
    }

    /// Nothing more is loaded, and the device is not waited for.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Where the device is now, read after what was loaded had arrived in memory.
    pub fn see(&mut self, sample: &Sample) {
        let broken = self.breaks != sample.breaks;
        self.looked = sample.time;
        if broken || sample.bytes > self.position {
            self.moved = sample.time;
        }
        self.position = self.position.max(sample.bytes);
        self.breaks = sample.breaks;
        self.account.unsure |= broken;
        let reached = self.reached();
        if let Some(flight) = self.flight.take() {
            if self.full {
                self.tight(flight.start);
            }
            let whole = match broken {
                true => flight.end,
                false => reached.clamp(flight.start, flight.end),
            };
            self.note(Event::Late(flight.start, whole));
            self.note(Event::Whole(whole, flight.end));
        }
        if reached > self.next && !self.cut {
            let to = reached.next_multiple_of(self.block).min(self.end);
            if self.full {
                self.tight(self.next);
            }
            self.note(Event::Missed(self.next, to));
            self.next = to;
        }
    }

    /// What has been decided since the last call.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be loaded next, as of the last sample, where `together` bytes from [`Self::at`] on lie together on disk.
    fn next(&mut self, together: u64) -> Result<Load, Step> {
        if self.cut {
            return Err(Step::Ended);
        }
        let read = self.ring.readable(self.position);
        if self.next >= self.end {
            let last = self.start.saturating_add(self.end);
            return Err(match read >= last {
                true => Step::Ended,
                false => Step::Wait(last.saturating_add(self.ring.lag)),
            });
        }
        let memory = self.start.wrapping_add(self.next) % self.ring.size;
        let length = self
            .chunk
            .min(self.ring.size - memory)
            .min(self.end - self.next)
            .min(together);
        // Where the ring had been one lap before the end of this.
        let free = (self.start + self.next + length).saturating_sub(self.ring.size);
        if read < free {
            self.full = true;
            return Err(Step::Wait(free.saturating_add(self.ring.lag)));
        }
        self.flight = Some(self.next..self.next + length);
        Ok(Load {
            from: self.next,
            length,
            memory,
        })
    }

    /// Of what was to be loaded, `bytes` have been.
    fn loaded(&mut self, bytes: u64) {
        if let Some(flight) = &mut self.flight {
            flight.end = flight.end.min(flight.start.saturating_add(bytes));
            self.next = flight.end;
        }
    }

    /// The first byte that the device cannot have read yet.
    fn reached(&self) -> u64 {
        let reached = self.position.saturating_add(self.ring.lead);
        reached.saturating_sub(self.start)
    }

    fn tight(&mut self, from: u64) {
        let to = i128::from(self.start) + i128::from(from);
        let left = self.ring.distance(to, self.position);
        self.account.headroom = Some(self.account.headroom.map_or(left, |least| least.min(left)));
    }

    fn note(&mut self, event: Event) {
        let (Event::Whole(from, to) | Event::Late(from, to) | Event::Missed(from, to)) = event;
        if from >= to {
            return;
        }
        match event {
            Event::Whole(..) => self.account.whole += to - from,
            Event::Late(..) => self.account.late += to - from,
            Event::Missed(..) => self.account.missed += to - from,
        }
        self.events.push_back(event);
    }
}

/// Disk, ring and device.
pub trait Deck {
    /// What can go wrong.
    type Error;

    /// The position of the device, read from the device after everything that this thread has seen: a full barrier
    /// before.
    fn position(&mut self) -> Result<Sample, Self::Error>;

    /// Bytes from `at` on that lie together on disk, not 0.
    fn together(&mut self, at: u64) -> u64;

    /// Reads from disk into the ring, and returns how many bytes are there, from the first one on.
    fn load(&mut self, load: &Load) -> Result<u64, Self::Error>;

    /// Takes note of what was decided.
    fn event(&mut self, event: Event) -> Result<(), Self::Error>;
}

/// Does one thing, in the order that the proof rests on: the position is read, what was loaded before is judged by it,
/// then something is loaded.
///
/// After an error the player is still right: what was being loaded counts as not loaded.
pub fn turn<D: Deck>(player: &mut Player, deck: &mut D) -> Result<Step, D::Error> {
    player.see(&deck.position()?);
    while let Some(event) = player.event() {
        deck.event(event)?;
    }
    let load = match player.next(deck.together(player.at())) {
        Ok(load) => load,
        Err(step) => return Ok(step),
    };
    match deck.load(&load) {
        Ok(bytes) => {
            player.loaded(bytes);
            Ok(Step::Loaded)
        }
        Err(error) => {
            player.loaded(0);
            Err(error)
        }
    }
}
