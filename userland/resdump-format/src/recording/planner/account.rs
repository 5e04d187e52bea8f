// SPDX-License-Identifier: MIT

//! What a recording consists of, and how near to a loss it was.

use crate::recording::proof::Ring;

/// Nanoseconds over which a rate is measured at least.
const WINDOW: u64 = 10_000_000;

/// Totals in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Proven whole.
    pub recorded: u64,
    /// On disk, and perhaps overwritten while the disk read it.
    pub suspect: u64,
    /// Not on disk.
    pub gap: u64,
    /// The position was lost at some time: `gap` is the least that is missing.
    pub at_least: bool,
    /// The recording ended before bytes that are lost.
    pub cut: bool,
    /// Least that the device had left to write before it reached what was not proven yet; negative after a loss.
    pub headroom: Option<i64>,
    /// Most bytes of the ring that were in use, what the device may have written beyond its position included.
    pub occupied: u64,
    /// Greatest rate of the device that was seen, in bytes a second.
    pub peak: u64,
    /// Begin of the window that the rate is measured over.
    since: u64,
    was_at: Option<u64>,
}

impl Account {
    pub(super) fn new(time: u64) -> Self {
        Self {
            recorded: 0,
            suspect: 0,
            gap: 0,
            at_least: false,
            cut: false,
            headroom: None,
            occupied: 0,
            peak: 0,
            since: time,
            was_at: None,
        }
    }

    pub(super) fn tight(&mut self, headroom: i64, ring: &Ring) {
        self.headroom = Some(self.headroom.map_or(headroom, |least| least.min(headroom)));
        let occupied = ring.size.saturating_sub_signed(headroom).min(ring.size);
        self.occupied = self.occupied.max(occupied);
    }

    /// The device is at `position`; `broken` when it cannot be said how it came there.
    pub(super) fn moved(&mut self, position: u64, now: u64, broken: bool) {
        let time = match broken {
            true => 0,
            false => now.saturating_sub(self.since),
        };
        if broken {
            (self.since, self.was_at) = (now, None);
        }
        let was_at = *self.was_at.get_or_insert(position);
        if time >= WINDOW {
            let bytes = u128::from(position - was_at) * 1_000_000_000 / u128::from(time);
            self.peak = self.peak.max(u64::try_from(bytes).unwrap_or(u64::MAX));
            self.since = now;
            self.was_at = Some(position);
        }
    }

    /// The least headroom as nanoseconds at the greatest rate that was seen; `None` before both are known.
    pub fn headroom_time(&self) -> Option<i64> {
        let peak = i128::from(self.peak);
        let headroom = i128::from(self.headroom?);
        (peak != 0).then(|| (headroom * 1_000_000_000 / peak) as i64)
    }
}
