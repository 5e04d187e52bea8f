// SPDX-License-Identifier: MIT

//! What an index says of a run, taken together.

use std::{io, io::Read, ops::Range};

use crate::recording::{
    index::{Origin, Reader, Record, State},
    planner::{Cause, Event},
};

/// A run of the recorder, by its index.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What it began with; `None` for an index without a good record.
    pub origin: Option<Origin>,
    /// What was decided, in the order of the stream; parts that follow each other are one. What was discarded later is
    /// nothing else.
    pub parts: Vec<Event>,
    /// Offsets of the stream at which triggers came.
    pub triggers: Vec<u64>,
    /// Number of segments that were begun.
    pub segments: u64,
    /// The last state that was written.
    pub state: Option<State>,
    /// The run was ended, and the index says so.
    pub ended: bool,
    /// Behind the good records is something else.
    pub tail: bool,
    /// Version of the first record that is not understood, where it is a later one than this crate's.
    pub newer: Option<u8>,
}

/// Totals of parts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Proven whole.
    pub recorded: u64,
    /// Suspect.
    pub suspect: u64,
    /// Lost.
    pub gap: u64,
    /// Discarded, whatever it was before.
    pub discarded: u64,
}

impl Summary {
    /// Reads an index, which should be buffered, up to the first bad record. What stands behind it is unproven.
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut summary = Self::default();
        let mut reader = Reader::new(from);
        for entry in &mut reader {
            summary.note(&entry?.record);
        }
        summary.tail = reader.has_tail();
        summary.newer = reader.newer();
        summary.sort();
        Ok(summary)
    }

    /// Takes a record into account. [`Self::sort`] is to follow before the parts are looked at.
    pub fn note(&mut self, record: &Record) {
        match *record {
            Record::Origin(origin) => self.origin = self.origin.or(Some(origin)),
            Record::Part(part) => {
                if part.is_discarded() {
                    let (from, to) = part.range();
                    self.remove(from..to);
                }
                self.parts.push(part);
            }
            Record::Trigger { offset } => self.triggers.push(offset),
            Record::Segment { .. } => self.segments += 1,
            Record::Checkpoint(state) => self.state = Some(state),
            Record::End(state) => {
                self.state = Some(state);
                self.ended = true;
            }
            Record::Time { .. } | Record::Fill => {}
        }
    }

    /// Takes what is known of `range` away.
    fn remove(&mut self, range: Range<u64>) {
        let keep = |part: &Event| {
            let (from, to) = part.range();
            [from..to.min(range.start), from.max(range.end)..to]
                .into_iter()
                .filter_map(|rest| part.within(&rest))
                .collect::<Vec<_>>()
        };
        self.parts = self.parts.iter().flat_map(keep).collect();
    }

    /// Puts the parts into the order of the stream, and makes one of those that follow each other.
    pub fn sort(&mut self) {
        self.parts.sort_by_key(|part| part.range().0);
        self.parts.dedup_by(|next, last| last.extend(next));
    }

    /// What the parts come to.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for part in &self.parts {
            let (from, to) = part.range();
            let total = match part {
                Event::Data { .. } => &mut totals.recorded,
                Event::Suspect { .. } => &mut totals.suspect,
                Event::Gap { .. } if part.is_discarded() => &mut totals.discarded,
                Event::Gap { .. } => &mut totals.gap,
            };
            *total += to - from;
        }
        totals
    }

    /// The parts that can be believed: all, or those before the first that contradicts what is before it. What has a place
    /// is on disk there, where no segment has 0 bytes.
    pub fn sound(&self) -> impl Iterator<Item = &Event> {
        let origin = self.origin.filter(|origin| origin.segment > 0);
        let mut at = origin.map(|origin| origin.begin);
        self.parts.iter().take_while(move |part| {
            let (from, to) = part.range();
            let follows = at.replace(to) == Some(from);
            let has_place = match part {
                Event::Data { place, .. } | Event::Suspect { place, .. } => {
                    place.checked_add(to - from).is_some()
                }
                Event::Gap { .. } => true,
            };
            follows && has_place
        })
    }

    /// The first offset at which the parts contradict each other: they overlap, do not begin at the begin of the
    /// run, or leave bytes out that a later part follows. `None` when they do not.
    pub fn contradiction(&self) -> Option<u64> {
        let mut at = self.origin?.begin;
        for part in &self.parts {
            let (from, to) = part.range();
            if from != at {
                return Some(at.min(from));
            }
            at = to;
        }
        None
    }
}

impl Event {
    /// First byte, and the byte after the last.
    pub fn range(&self) -> (u64, u64) {
        let (Self::Data { from, to, .. }
        | Self::Suspect { from, to, .. }
        | Self::Gap { from, to, .. }) = *self;
        (from, to)
    }

    /// Whether it was on disk and has made room.
    pub fn is_discarded(&self) -> bool {
        matches!(
            self,
            Self::Gap {
                cause: Cause::Discarded,
                ..
            }
        )
    }

    /// The part of it that is in `range`, if there is one.
    pub fn within(&self, range: &Range<u64>) -> Option<Self> {
        let mut part = *self;
        let (Self::Data { from, to, place }
        | Self::Suspect { from, to, place }
        | Self::Gap {
            from, to, place, ..
        }) = &mut part;
        let (begin, end) = ((*from).max(range.start), (*to).min(range.end));
        // A damaged index has any place.
        *place = place.wrapping_add(begin.wrapping_sub(*from));
        (*from, *to) = (begin, end);
        (begin < end).then_some(part)
    }

    /// Makes it longer by `next`, if that continues it, in the stream and on disk; whether it does.
    pub fn extend(&mut self, next: &Self) -> bool {
        let (begin, end) = next.range();
        match (&mut *self, next) {
            (Self::Data { from, to, place }, Self::Data { place: at, .. })
            | (Self::Suspect { from, to, place }, Self::Suspect { place: at, .. })
                if *to == begin && place.wrapping_add(*to - *from) == *at =>
            {
                *to = end;
                true
            }
            (
                Self::Gap {
                    to,
                    cause: Cause::Discarded,
                    ..
                },
                Self::Gap {
                    cause: Cause::Discarded,
                    ..
                },
            ) if *to == begin => {
                *to = end;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(from: u64, to: u64) -> Event {
        Event::Data {
            from,
            to,
            place: from + 7,
        }
    }

    fn discarded(from: u64, to: u64) -> Event {
        Event::Gap {
            from,
            to,
            place: from + 7,
            cause: Cause::Discarded,
        }
    }

    fn summary(parts: &[Event]) -> Summary {
        let mut summary = Summary {
            origin: Some(Origin::default()),
            ..Summary::default()
        };
        for part in parts {
            summary.note(&Record::Part(*part));
        }
        summary.sort();
        summary
    }

    #[test]
    fn parts_that_follow_each_other_are_one() {
        let one = summary(&[data(0, 10), data(20, 30), data(10, 20)]);
        assert_eq!(one.parts, [data(0, 30)]);
        let apart = Event::Data {
            from: 30,
            to: 40,
            place: 0,
        };
        assert_eq!(summary(&[data(0, 30), apart]).parts.len(), 2);
    }

    #[test]
    fn what_was_discarded_is_nothing_else() {
        let suspect = Event::Suspect {
            from: 30,
            to: 40,
            place: 37,
        };
        let before = [data(0, 30), suspect, data(40, 100)];
        let mut parts = before.to_vec();
        parts.extend([discarded(0, 20), discarded(20, 35)]);
        let one = summary(&parts);
        let rest = Event::Suspect {
            from: 35,
            to: 40,
            place: 42,
        };
        assert_eq!(one.parts, [discarded(0, 35), rest, data(40, 100)]);
        assert_eq!(one.contradiction(), None);
        let totals = one.totals();
        assert_eq!(
            (
                totals.recorded,
                totals.suspect,
                totals.gap,
                totals.discarded
            ),
            (60, 5, 0, 35)
        );
        // In the middle, as between two triggers.
        let mut parts = before.to_vec();
        parts.push(discarded(50, 60));
        assert_eq!(
            summary(&parts).parts[2..],
            [data(40, 50), discarded(50, 60), data(60, 100)]
        );
    }
}
