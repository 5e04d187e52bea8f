// SPDX-License-Identifier: MIT

//! What a planner says of the stream and of the device.

use super::{Account, Planner, from_begin};
use crate::recording::position::Sample;

impl Planner {
    /// Position of the device at the begin of the stream, modulo 2^64: offset in the stream plus this.
    pub fn shift(&self) -> u64 {
        self.shift
    }

    /// Offset of the stream's first byte.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Bytes that the device has put into memory since the recording began, and before it ended.
    pub fn produced(&self) -> u64 {
        self.limit().saturating_sub(self.begin)
    }

    /// Bytes that are not accounted for yet, those in flight included.
    pub fn unread(&self) -> u64 {
        let flying: u64 = self.flights.iter().map(|flight| flight.chunk.payload).sum();
        self.limit().saturating_sub(self.next) + flying
    }

    /// The offset that `sample` says the device is at.
    pub fn offset(&self, sample: &Sample) -> u64 {
        sample.bytes.wrapping_sub(self.shift)
    }

    /// The offset of a position of the device, or the begin for one before that.
    pub fn at(&self, position: u64) -> u64 {
        from_begin(position.wrapping_sub(self.shift), self.begin)
    }

    /// The position of the device before which everything is accounted for: it may write there again.
    pub fn settled(&self) -> u64 {
        let flying = self.flights.iter().map(|flight| flight.chunk.from);
        let next = self.next.min(self.position);
        flying
            .min()
            .unwrap_or(next)
            .min(next)
            .wrapping_add(self.shift)
    }

    /// The offset that the device was at when it was seen last.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether it was stopped, and everything is accounted for.
    pub fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end) && self.flights.is_empty()
    }
}
