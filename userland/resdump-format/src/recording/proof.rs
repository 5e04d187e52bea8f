// SPDX-License-Identifier: MIT

//! What a position of the device proves.
//!
//! P is the position that can be read, W where the device truly writes; both in bytes, both only grow. The device
//! promises W <= P + lead, and that the bytes before P - lag are in memory. A byte x of the stream lies where byte
//! x + ring lies one lap later, so it has been overwritten only if W > x + ring. After the disk has finished reading
//! a range [a, b) of memory, P is read again. W was not larger when the disk finished than W is now, so
//!
//! ```text
//! P + lead <= a + ring     proves the range whole;
//! otherwise                exactly [a, min(b, P + lead - ring)) is suspect.
//! ```
//!
//! No range that was overwritten passes. Bytes that had not been overwritten when P was read are suspect only
//! within lead + lag bytes of those that had.

use std::ops::Range;

/// A ring in memory, and what its device promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of the ring.
    pub size: u64,
    /// Bytes that the device may have written beyond its position.
    pub lead: u64,
    /// Bytes before its position that may not be in memory yet.
    pub lag: u64,
}

impl Ring {
    /// The first byte of the stream that cannot have been overwritten when the device is at `position`.
    pub fn oldest(&self, position: u64) -> u64 {
        position.saturating_add(self.lead).saturating_sub(self.size)
    }

    /// The end of what is in memory when the device is at `position`.
    pub fn readable(&self, position: u64) -> u64 {
        position.saturating_sub(self.lag)
    }

    /// The part of `range` that may have been overwritten while the disk read it, by a position that was read
    /// after it had finished: empty, or from the begin of the range on.
    pub fn suspect(&self, range: &Range<u64>, position: u64) -> Range<u64> {
        range.start..self.oldest(position).clamp(range.start, range.end)
    }

    /// Bytes that the device may still write before it reaches `from` one lap later, when it is at `position`; negative
    /// once it may have passed.
    pub fn headroom(&self, from: u64, position: u64) -> i64 {
        self.distance(i128::from(from) + i128::from(self.size), position)
    }

    /// Bytes that the device may still go before it reaches `to`, when it is at `position`; negative once it may have
    /// passed.
    pub fn distance(&self, to: i128, position: u64) -> i64 {
        let left = to - i128::from(position) - i128::from(self.lead);
        left.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Bytes of which all is known wherever the device is: the ring less lead and lag. `None` where those leave nothing.
    pub fn usable(&self) -> Option<u64> {
        let slack = self.lead.checked_add(self.lag)?;
        self.size.checked_sub(slack).filter(|usable| *usable != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: Ring = Ring {
        size: 1000,
        lead: 10,
        lag: 3,
    };

    #[test]
    fn a_range_is_whole_up_to_the_last_byte() {
        assert_eq!(RING.suspect(&(500..600), 1490), 500..500);
        assert_eq!(RING.suspect(&(500..600), 1491), 500..501);
        assert_eq!(RING.suspect(&(500..600), 1590), 500..600);
        assert_eq!(RING.suspect(&(500..600), 9999), 500..600);
    }

    #[test]
    fn a_ring_that_was_not_filled_yet_has_lost_nothing() {
        assert_eq!(RING.oldest(0), 0);
        assert_eq!(RING.oldest(990), 0);
        assert_eq!(RING.oldest(991), 1);
        assert_eq!(RING.readable(2), 0);
        assert_eq!(RING.readable(5), 2);
    }

    #[test]
    fn headroom_is_what_is_left_of_the_ring() {
        assert_eq!(RING.headroom(0, 0), 990);
        assert_eq!(RING.headroom(500, 1490), 0);
        assert_eq!(RING.headroom(500, 1500), -10);
        assert_eq!(RING.headroom(0, u64::MAX), i64::MIN);
    }
}
