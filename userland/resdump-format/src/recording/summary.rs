// SPDX-License-Identifier: MIT

//! What an index says of a run, taken together.

use std::{io, io::Read};

use crate::recording::{
    index::{Origin, Reader, Record, State},
    planner::Event,
};

/// A run of the recorder, by its index.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What it began with; `None` for an index without a good record.
    pub origin: Option<Origin>,
    /// What was decided, in the order of the stream; parts that follow each other are one.
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
}

impl Summary {
    /// Reads an index, which should be buffered, up to the first bad record. What stands behind it is unproven.
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut summary = Self::default();
        let mut reader = Reader::new(from);
        for entry in &mut reader {
            summary.add(entry?.record);
        }
        summary.tail = reader.has_tail();
        summary.parts.sort_by_key(|part| part.range().0);
        Ok(summary)
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Origin(origin) => self.origin = self.origin.or(Some(origin)),
            Record::Part(part) => self.parts.push(part),
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

    /// What the parts come to.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for part in &self.parts {
            let (from, to) = part.range();
            let total = match part {
                Event::Data { .. } => &mut totals.recorded,
                Event::Suspect { .. } => &mut totals.suspect,
                Event::Gap { .. } => &mut totals.gap,
            };
            *total += to - from;
        }
        totals
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
}
