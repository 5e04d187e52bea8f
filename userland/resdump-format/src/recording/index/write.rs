// SPDX-License-Identifier: MIT

//! Records that wait to be written.

use super::{
    CRC, RECORD,
    record::{Record, WORDS},
};
use crate::recording::planner::Event;

/// Version of the records.
pub(super) const VERSION: u8 = 1;
/// What the checksum does not cover.
pub(super) const CHECKSUM: usize = 4;

/// Makes the bytes of an index. Parts of the stream that follow each other become one record.
#[derive(Debug)]
pub struct Writer {
    run: u64,
    sequence: u64,
    block: usize,
    /// Bytes on disk.
    length: u64,
    pending: Vec<u8>,
    part: Option<(u64, Event)>,
}

impl Writer {
    /// An index of the run with this number, which no other run has, on a disk with blocks of `block` bytes.
    pub fn new(run: u64, block: usize) -> Self {
        Self {
            run,
            sequence: 0,
            block: block.next_multiple_of(RECORD),
            length: 0,
            pending: Vec::new(),
            part: None,
        }
    }

    /// Appends a record, at `time` of a monotonic clock in nanoseconds.
    pub fn push(&mut self, time: u64, record: Record) {
        if let Record::Part(event) = record {
            if let Some((_, last)) = &mut self.part
                && last.extend(&event)
            {
                return;
            }
            self.end_part();
            self.part = Some((time, event));
            return;
        }
        self.end_part();
        self.encode(time, &record);
    }

    /// Bytes that were taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.part.is_none()
    }

    /// Where in the file the bytes belong that are to be written now, and the bytes: whole blocks, or nothing.
    /// They are taken to be written.
    pub fn take(&mut self, time: u64) -> (u64, Vec<u8>) {
        self.end_part();
        while !self.pending.len().is_multiple_of(self.block) {
            self.encode(time, &Record::Fill);
        }
        let bytes = std::mem::take(&mut self.pending);
        let at = self.length;
        self.length += bytes.len() as u64;
        (at, bytes)
    }

    fn end_part(&mut self) {
        if let Some((time, event)) = self.part.take() {
            self.encode(time, &Record::Part(event));
        }
    }

    fn encode(&mut self, time: u64, record: &Record) {
        let (kind, detail, words) = record.body();
        let begin = self.pending.len();
        self.pending.extend_from_slice(&[0; CHECKSUM]);
        self.pending.extend_from_slice(&[kind, VERSION]);
        self.pending.extend_from_slice(&detail.to_le_bytes());
        for word in [self.run, self.sequence, time] {
            self.pending.extend_from_slice(&word.to_le_bytes());
        }
        for word in words {
            self.pending.extend_from_slice(&word.to_le_bytes());
        }
        const { assert!(CHECKSUM + 4 + 3 * 8 + WORDS * 8 == RECORD) };
        let checksum = CRC.checksum(&self.pending[begin + CHECKSUM..]);
        self.pending[begin..begin + CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        self.sequence += 1;
    }
}
