// SPDX-License-Identifier: MIT

//! Cuts the stream of a device into writes, judges each of them when it has ended, and keeps the account.
//!
//! Offsets are those of the stream. At any time
//!
//! ```text
//! produced = recorded + suspect + gap + unread
//! ```
//!
//! where *produced* is what the device has put into memory since the recording began.

mod account;
mod chunk;
mod view;

use std::collections::VecDeque;

use crate::recording::{layout::Gaps, layout::Layout, position::Sample, proof::Ring};

pub use account::Account;
pub use chunk::{Cause, Chunk, Event, Flaw, Need, Step};

/// A write that was submitted.
#[derive(Debug)]
struct Flight {
    chunk: Chunk,
    /// Bytes that it has written, when it has ended.
    written: Option<u64>,
    /// The position was lost meanwhile.
    doubtful: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Planner {
    ring: Ring,
    layout: Layout,
    /// Position of the device less offset in the stream, modulo 2^64.
    shift: u64,
    /// The stream begins here.
    begin: u64,
    /// Everything before is in flight or accounted for.
    next: u64,
    /// Where `next` goes to on disk.
    place: u64,
    /// Places end here.
    room: u64,
    position: u64,
    breaks: u64,
    /// The position was lost: nothing before this offset can be recorded.
    blind: Option<u64>,
    /// The recording ends here.
    end: Option<u64>,
    /// Whether it ends where the device is seen next.
    stopping: bool,
    flights: Vec<Flight>,
    events: VecDeque<Event>,
    account: Account,
}

impl Planner {
    /// A recording that begins with segment `segment`, when the device is at `sample`, and takes `history` bytes of
    /// those that are in the ring already, as far as they are, in whole blocks.
    pub fn new(
        ring: Ring,
        layout: Layout,
        sample: &Sample,
        history: u64,
        segment: u64,
    ) -> Result<Self, Flaw> {
        let Layout { block, .. } = layout;
        if !block.is_power_of_two() || layout.depth == 0 {
            return Err(Flaw::Block);
        }
        for (bytes, flaw) in [
            (ring.size, Flaw::Ring),
            (layout.chunk, Flaw::Chunk),
            (layout.segment, Flaw::Segment),
        ] {
            if bytes == 0 || bytes % block != 0 {
                return Err(flaw);
            }
        }
        // With less the device is always about to overwrite what is being written.
        if ring.usable().is_none_or(|usable| layout.chunk > usable) {
            return Err(Flaw::Chunk);
        }
        let position = sample.bytes;
        let from = position
            .saturating_sub(history)
            .max(ring.oldest(position))
            .next_multiple_of(block);
        let begin = segment.checked_mul(layout.segment).ok_or(Flaw::Segment)?;
        let shift = from.wrapping_sub(begin);
        Ok(Self {
            ring,
            layout,
            shift,
            begin,
            next: begin,
            place: begin,
            room: u64::MAX - u64::MAX % block,
            position: from_begin(position.wrapping_sub(shift), begin),
            breaks: sample.breaks,
            blind: None,
            end: None,
            stopping: false,
            flights: Vec::new(),
            events: VecDeque::new(),
            account: Account::new(sample.time),
        })
    }

    /// Nothing is written at places from `room` on, a multiple of the block.
    pub fn set_room(&mut self, room: u64) {
        self.room = room - room % self.layout.block;
    }

    /// A write has ended, and written `bytes` of its length. It is judged by the next sample, which must have been
    /// taken after this.
    pub fn landed(&mut self, slot: usize, bytes: u64) {
        let flight = self
            .flights
            .iter_mut()
            .find(|flight| flight.chunk.slot == slot && flight.written.is_none());
        if let Some(flight) = flight {
            flight.written = Some(bytes);
        }
    }

    /// Where the device is now: judges all writes that have ended.
    pub fn see(&mut self, sample: &Sample) {
        let position = from_begin(self.offset(sample), self.begin);
        self.position = self.position.max(position);
        let broken = self.breaks != sample.breaks;
        if broken {
            self.breaks = sample.breaks;
            self.blind = Some(self.position.next_multiple_of(self.layout.block));
            self.flights
                .iter_mut()
                .for_each(|flight| flight.doubtful = true);
        }
        let outstanding = self.outstanding();
        if outstanding < self.position && self.blind.is_none() {
            let headroom = self.ring.headroom(outstanding, self.position);
            self.account.tight(headroom, &self.ring);
        }
        self.account.moved(self.position, sample.time, broken);
        if self.stopping {
            self.end = Some(self.limit());
        }
        let judged = |flight: &mut Flight| flight.written.is_some();
        let landed: Vec<Flight> = self.flights.extract_if(.., judged).collect();
        for flight in landed {
            self.judge(&flight);
        }
    }

    /// The recording ends with what is in memory when the device is seen next: what it wrote until this was asked for
    /// is part of it.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The recording ends at `offset` of the stream, or at the next multiple of the block; not before what an earlier
    /// call has said. Not to be called after [`Self::stop`] or [`Self::cut`].
    pub fn end_after(&mut self, offset: u64) {
        let most = u64::MAX - u64::MAX % self.layout.block;
        let offset = offset.min(most).next_multiple_of(self.layout.block);
        self.end = Some(
            self.end
                .map_or(offset, |end| end.max(offset))
                .max(self.next),
        );
    }

    /// The recording ends before what has not been submitted.
    pub fn cut(&mut self) {
        self.end = Some(self.next.min(self.limit()));
    }

    /// What has been decided since the last call.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be done next, as of the last sample.
    pub fn next(&mut self, need: Need) -> Step {
        self.skip_lost();
        let limit = self.limit();
        if self.end.is_some_and(|end| self.next >= end) {
            return match self.flights.is_empty() {
                true => Step::Ended,
                false => Step::Busy,
            };
        }
        if let Some(resume) = self.blind {
            return Step::Wait(self.wanted(resume));
        }
        if self.place >= self.room {
            return Step::Full;
        }
        let Some(slot) = self.free_slot() else {
            return Step::Busy;
        };
        let Layout { block, segment, .. } = self.layout;
        let memory = self.memory(self.next);
        let most = (self.layout.chunk)
            .min(self.ring.size - memory)
            .min(segment - self.place % segment)
            .min(self.room - self.place);
        let there = limit.saturating_sub(self.next);
        let payload = match need {
            _ if there >= most => most,
            // The last bytes.
            _ if self.end == Some(limit) => there,
            Need::Blocks => there - there % block,
            Need::Chunk => 0,
        };
        if payload == 0 {
            let until = match need {
                Need::Chunk => self.next + most,
                Need::Blocks => self.next + block,
            };
            let until = self.end.map_or(until, |end| end.min(until));
            return Step::Wait(self.wanted(until));
        }
        let chunk = Chunk {
            slot,
            from: self.next,
            payload,
            length: payload.next_multiple_of(block),
            memory,
            segment: self.place / segment,
            offset: self.place % segment,
        };
        self.next += payload;
        self.place += chunk.length;
        self.flights.push(Flight {
            chunk,
            written: None,
            doubtful: false,
        });
        Step::Write(chunk)
    }

    /// The end of what can be accounted for now.
    fn limit(&self) -> u64 {
        let readable = self.ring.readable(self.position).max(self.begin);
        self.end.map_or(readable, |end| end.min(readable))
    }

    /// The position of the device at which everything before `until` is in memory.
    fn wanted(&self, until: u64) -> u64 {
        until.wrapping_add(self.shift).wrapping_add(self.ring.lag)
    }

    fn memory(&self, offset: u64) -> u64 {
        offset.wrapping_add(self.shift) % self.ring.size
    }

    /// The first byte that is not accounted for.
    fn outstanding(&self) -> u64 {
        let flying = self.flights.iter().map(|flight| flight.chunk.from).min();
        flying.unwrap_or(self.next)
    }

    fn free_slot(&self) -> Option<usize> {
        (0..self.layout.depth)
            .find(|slot| self.flights.iter().all(|flight| flight.chunk.slot != *slot))
    }

    /// Leaves out what is overwritten already.
    fn skip_lost(&mut self) {
        let limit = self.limit();
        if let Some(resume) = self.blind {
            if limit >= resume || self.end == Some(limit) {
                self.blind = None;
                self.gap(resume.min(limit), Cause::Unknown);
            }
            return;
        }
        let oldest = self.ring.oldest(self.position);
        let whole = oldest - oldest % self.layout.block;
        if whole > self.next {
            self.gap(whole.min(limit), Cause::Overrun);
        }
    }

    fn gap(&mut self, to: u64, cause: Cause) {
        if to <= self.next {
            return;
        }
        if self.layout.gaps == Gaps::Stop {
            self.cut();
            self.account.cut = true;
            return;
        }
        let (from, place) = (self.next, self.place);
        self.next = to;
        if self.layout.gaps == Gaps::Hole {
            self.place += to - from;
        }
        self.lose(from, to, place, cause);
    }

    fn lose(&mut self, from: u64, to: u64, place: u64, cause: Cause) {
        self.account.gap += to - from;
        self.account.at_least |= cause == Cause::Unknown;
        self.events.push_back(Event::Gap {
            from,
            to,
            place,
            cause,
        });
    }

    /// The write has ended, whatever became of it: its bytes are accounted for.
    fn judge(&mut self, flight: &Flight) {
        let chunk = &flight.chunk;
        let place = chunk.segment * self.layout.segment + chunk.offset;
        let written = flight.written.unwrap_or(0).min(chunk.payload);
        let (from, to) = (chunk.from, chunk.from + written);
        let suspect = match flight.doubtful {
            true => from..to,
            false => self.ring.suspect(&(from..to), self.position),
        };
        if !suspect.is_empty() {
            self.account.suspect += suspect.end - suspect.start;
            self.events.push_back(Event::Suspect {
                from,
                to: suspect.end,
                place,
            });
        }
        if suspect.end < to {
            self.account.recorded += to - suspect.end;
            self.events.push_back(Event::Data {
                from: suspect.end,
                to,
                place: place + (suspect.end - from),
            });
        }
        if written < chunk.payload {
            self.lose(to, from + chunk.payload, place + written, Cause::Write);
        }
    }
}

/// The begin, while the device has not reached the first whole block.
fn from_begin(position: u64, begin: u64) -> u64 {
    match position.wrapping_sub(begin) as i64 {
        ..0 => begin,
        _ => position,
    }
}
