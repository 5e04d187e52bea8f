// SPDX-License-Identifier: MIT

//! A ring of segments on disk: which of them may go, and an index that does not grow.

use std::{collections::VecDeque, ops::Range};

use resdump_format::recording::{
    index::{Record, State, Writer},
    planner::{Cause, Event},
    summary::Summary,
};

use super::limits::Keep;

/// A segment: its number, and the first byte of the stream in it.
type Segment = (u64, u64);

/// See the module.
pub(super) struct Kept {
    limits: Keep,
    /// The oldest first; the last is being written.
    ring: VecDeque<Segment>,
    /// What triggers keep: offsets of the stream.
    pins: Vec<Range<u64>>,
    /// Segments that triggers have kept.
    pinned: Vec<Segment>,
    /// What the index says.
    summary: Summary,
    /// Bytes of the index when it was written again last.
    written: u64,
    /// Bytes that have gone.
    pub(super) discarded: u64,
}

impl Kept {
    pub(super) fn new(limits: Keep) -> Self {
        Self {
            limits,
            ring: VecDeque::new(),
            pins: Vec::new(),
            pinned: Vec::new(),
            summary: Summary::default(),
            written: 0,
            discarded: 0,
        }
    }

    /// A record was added to the index.
    pub(super) fn note(&mut self, record: &Record) {
        match *record {
            Record::Segment { number, from } => self.ring.push_back((number, from)),
            Record::Trigger { offset } => {
                if let Some((before, behind)) = self.limits.around {
                    let range = offset.saturating_sub(before)..offset.saturating_add(behind);
                    self.pins.push(range);
                }
            }
            _ => {}
        }
        self.summary.note(record);
    }

    /// The oldest segment, and what is to be said of it, if it has to go: behind it are enough bytes up to `end`, no trigger
    /// keeps it, and nothing is in flight in it, which is so before segment `settled`.
    pub(super) fn shed(&mut self, end: u64, settled: u64) -> Option<(u64, Event)> {
        while let (Some(&(number, from)), Some(&(_, to))) = (self.ring.front(), self.ring.get(1)) {
            if end.saturating_sub(to) < self.limits.last || number >= settled {
                return None;
            }
            self.ring.pop_front();
            self.pins.retain(|pin| pin.end > from);
            if self.pins.iter().any(|pin| pin.start < to && from < pin.end) {
                self.pinned.push((number, from));
                continue;
            }
            self.discarded += to - from;
            let gone = Event::Gap {
                from,
                to,
                place: from,
                cause: Cause::Discarded,
            };
            return Some((number, gone));
        }
        None
    }

    /// Whether an index of `length` bytes is to be written again: much of it is of what is gone.
    pub(super) fn is_long(&self, length: u64) -> bool {
        length >= self.limits.index.max(2 * self.written)
    }

    /// It was written again, and has so many bytes.
    pub(super) fn written(&mut self, bytes: usize) {
        self.written = bytes as u64;
    }

    /// Puts what the index says of what is still there into a new one.
    pub(super) fn rewrite(&mut self, index: &mut Writer, time: u64, state: State) {
        self.summary.sort();
        let gone = |offset: u64| {
            let gone = |part: &Event| {
                let (from, to) = part.range();
                part.is_discarded() && (from..to).contains(&offset)
            };
            self.summary.parts.iter().any(gone)
        };
        let triggers: Vec<u64> = (self.summary.triggers.iter().copied())
            .filter(|offset| !gone(*offset))
            .collect();
        self.summary.triggers = triggers;
        if let Some(origin) = self.summary.origin {
            index.push(time, Record::Origin(origin));
        }
        for &(number, from) in self.pinned.iter().chain(&self.ring) {
            index.push(time, Record::Segment { number, from });
        }
        for &offset in &self.summary.triggers {
            index.push(time, Record::Trigger { offset });
        }
        for part in &self.summary.parts {
            index.push(time, Record::Part(*part));
        }
        index.push(time, Record::Checkpoint(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(around: Option<(u64, u64)>) -> Kept {
        let mut kept = Kept::new(Keep {
            last: 250,
            around,
            index: 0,
        });
        for number in 0..10 {
            let from = number * 100;
            kept.note(&Record::Segment { number, from });
        }
        kept
    }

    /// Numbers of those that go.
    fn gone(kept: &mut Kept, end: u64, settled: u64) -> Vec<u64> {
        std::iter::from_fn(|| kept.shed(end, settled).map(|(number, _)| number)).collect()
    }

    #[test]
    fn the_last_bytes_stay_and_what_is_in_flight() {
        assert!(gone(&mut kept(None), 349, 9).is_empty());
        assert_eq!(gone(&mut kept(None), 350, 9), [0]);
        assert_eq!(gone(&mut kept(None), 950, 9), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(gone(&mut kept(None), 950, 3), [0, 1, 2]);
    }

    #[test]
    fn what_a_trigger_keeps_stays() {
        let mut kept = kept(Some((120, 30)));
        kept.note(&Record::Trigger { offset: 320 });
        // 200 to 350.
        assert_eq!(gone(&mut kept, 950, 9), [0, 1, 4, 5, 6]);
        assert_eq!(kept.pinned, [(2, 200), (3, 300)]);
        assert_eq!(kept.discarded, 500);
        let mut marked = super::tests::kept(None);
        marked.note(&Record::Trigger { offset: 320 });
        assert_eq!(gone(&mut marked, 950, 9).len(), 7);
    }
}
