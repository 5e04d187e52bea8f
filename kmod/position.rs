// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where a device is in a ring of memory: from what a register or a word says to a count of bytes that only grows,
//! in 64 bits. Plain `core` code; what the values mean is in `scale.rs`.
//!
//! Included by the module, and by the `recording` crate, where `cargo test` runs its tests on the host.
//!
//! Positions are in bytes. A position modulo the size of the ring is the offset in the ring of the byte that the
//! device writes next.

use super::divide::divide;
use super::scale::Scale;
pub use super::scale::{Flaw, Kind, Shape};

/// How sure a position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The value counts more than laps, and cannot have repeated since the last sample.
    Exact,
    /// The value is a place in the ring, and by the greatest rate the device cannot have done a lap since the last
    /// sample.
    Bounded,
    /// The sample came too late, or the device went elsewhere: bytes may be missing in the count.
    Unknown,
}

/// A raw value, and when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the device says.
    pub raw: u64,
    /// Nanoseconds of a monotonic clock that was read before the value was, and does not stand still while the device
    /// may go on.
    pub before: u64,
    /// And after.
    pub after: u64,
}

/// A position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes; at least so many when there was a break.
    pub bytes: u64,
    /// Nanoseconds of a monotonic clock, from before the value was read.
    pub time: u64,
    /// How often the count has become unsure since it began. A change says that the way from the last sample to
    /// this one is [`Evidence::Unknown`].
    pub breaks: u64,
    /// How sure the way from the sample before to this one is.
    pub evidence: Evidence,
}

/// Nanoseconds that rates are kept for, as a shift.
const TICK: u32 = 16;

/// A device's position, as far as it was followed.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    scale: Scale,
    /// Bytes of a tick at the greatest rate, rounded up; 0 if that is not known.
    pace: u64,
    last: Option<Last>,
    breaks: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// Bytes by the raw value alone.
    place: u64,
    bytes: u64,
    before: u64,
}

impl Position {
    /// Nothing has been read yet.
    pub fn new(shape: Shape) -> Result<Self, Flaw> {
        let scale = Scale::new(shape)?;
        let pace = match shape.max_rate {
            0 => 0,
            rate => divide(
                rate.checked_mul(1 << TICK).ok_or(Flaw::Rate)?,
                1_000_000_000,
            )
            .0
            .checked_add(1)
            .ok_or(Flaw::Rate)?,
        };
        Ok(Self {
            scale,
            pace,
            last: None,
            breaks: 0,
        })
    }

    /// What it was made of.
    pub fn shape(&self) -> &Shape {
        self.scale.shape()
    }

    /// Nanoseconds within which a sample must follow the last one: later it is [`Evidence::Unknown`]. 0 when none
    /// can be in time, `None` when it may be as late as it likes.
    pub fn patience(&self) -> Option<u64> {
        let span = self.scale.span()?;
        let free = span.saturating_sub(self.scale.slack() + 1);
        // One tick is added where time is turned into bytes.
        let ticks = divide(free, self.pace).0.saturating_sub(1);
        Some(ticks.saturating_mul(1 << TICK))
    }

    /// The position by a reading that was taken after the last one. `None` for a value that is no place in the
    /// ring: nothing has changed then.
    pub fn follow(&mut self, reading: Reading) -> Option<Sample> {
        let place = self.scale.place(reading.raw)?;
        let Some(last) = self.last else {
            self.last = Some(Last {
                place,
                bytes: place,
                before: reading.before,
            });
            return Some(self.sample(place, reading, self.certain()));
        };
        let way = self.scale.way(last.place, place);
        let most = self.most(reading.after.saturating_sub(last.before));
        let sure = match (self.scale.span(), most) {
            (Some(span), Some(most)) => most < span && way <= most,
            (None, Some(most)) => way <= most,
            // Back is where a device goes that is started again.
            (_, None) => way < 1 << 63,
        };
        let (bytes, evidence) = match sure {
            true => (last.bytes.checked_add(way)?, self.certain()),
            false => (self.next_at(last.bytes, place)?, Evidence::Unknown),
        };
        self.breaks += u64::from(!sure);
        self.last = Some(Last {
            place,
            bytes,
            before: reading.before,
        });
        Some(self.sample(bytes, reading, evidence))
    }

    /// What the device would say at `bytes`, rounded down to a unit: a position that it has passed by no more than a ring.
    /// `None` for another one, and before the first reading.
    pub fn raw_at(&self, bytes: u64) -> Option<u64> {
        let last = self.last?;
        let ring = self.shape().ring;
        let back = last.bytes.checked_sub(bytes).filter(|back| *back <= ring)?;
        let place = self.scale.before(last.place, back)?;
        Some(self.scale.raw(place))
    }

    /// Most bytes that the device's position moves on within `time` nanoseconds.
    fn most(&self, time: u64) -> Option<u64> {
        (self.pace != 0).then(|| {
            let ticks = (time >> TICK) + 1;
            self.pace
                .saturating_mul(ticks)
                .saturating_add(self.scale.slack())
        })
    }

    /// The first position from `bytes` on that lies where `place` lies in the ring.
    fn next_at(&self, bytes: u64, place: u64) -> Option<u64> {
        let ring = self.shape().ring;
        let (is, wanted) = (divide(bytes, ring).1, divide(place, ring).1);
        let way = match wanted.checked_sub(is) {
            Some(way) => way,
            None => wanted + (ring - is),
        };
        bytes.checked_add(way)
    }

    fn certain(&self) -> Evidence {
        match self.shape().kind {
            Kind::Counter | Kind::IndexLap { .. } => Evidence::Exact,
            Kind::Offset | Kind::Address { .. } => Evidence::Bounded,
        }
    }

    fn sample(&self, bytes: u64, reading: Reading, evidence: Evidence) -> Sample {
        Sample {
            bytes,
            time: reading.before,
            breaks: self.breaks,
            evidence,
        }
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, ::kernel::prelude::kunit_tests(resmem_position))]
mod tests {
    use super::super::scale::mask;
    use super::*;

    const MIB: u64 = 1 << 20;
    const MS: u64 = 1_000_000;

    fn shape(kind: Kind, unit: u32, bits: u32) -> Shape {
        Shape {
            kind,
            ring: 16 * MIB,
            unit,
            bits,
            lead: 4096,
            lag: 0,
            max_rate: 400_000_000,
        }
    }

    fn at(raw: u64, time: u64) -> Reading {
        Reading {
            raw,
            before: time,
            after: time,
        }
    }

    #[test]
    fn a_counter_that_wraps_goes_on() {
        let mut position = Position::new(shape(Kind::Counter, 64, 20)).unwrap();
        let first = position.follow(at(0xffffe, 0)).unwrap();
        assert!(first.bytes == 0xffffe * 64);
        let next = position.follow(at(2, MS)).unwrap();
        assert!(next.bytes == 0x100002 * 64);
        assert!(next.evidence == Evidence::Exact && next.breaks == 0);
    }

    #[test]
    fn a_place_in_the_ring_becomes_a_count() {
        let mut position = Position::new(shape(Kind::Offset, 1, 32)).unwrap();
        assert!(position.follow(at(16 * MIB - 512, 0)).unwrap().bytes == 16 * MIB - 512);
        let next = position.follow(at(512, MS)).unwrap();
        assert!(next.bytes == 16 * MIB + 512);
        assert!(next.evidence == Evidence::Bounded && next.breaks == 0);
        assert!(position.follow(at(17 * MIB, 2 * MS)).is_none());
    }

    #[test]
    fn a_sample_after_the_time_of_a_lap_is_unknown() {
        let mut position = Position::new(shape(Kind::Offset, 1, 32)).unwrap();
        // 16 MiB at 400 MB/s are 41.9 ms.
        let patience = position.patience().unwrap();
        assert!(patience > 41 * MS && patience < 42 * MS);
        position.follow(at(0, 0)).unwrap();
        let next = position.follow(at(MIB, patience)).unwrap();
        assert!(next.evidence == Evidence::Bounded);
        let next = position.follow(at(2 * MIB, patience + 42 * MS)).unwrap();
        assert!(next.evidence == Evidence::Unknown && next.breaks == 1);
        assert!(next.bytes == 2 * MIB);
    }

    #[test]
    fn a_device_that_starts_again_is_a_break() {
        let mut position = Position::new(shape(Kind::Counter, 1, 64)).unwrap();
        position.follow(at(100 * MIB, 0)).unwrap();
        let next = position.follow(at(MIB, MS)).unwrap();
        assert!(next.evidence == Evidence::Unknown && next.breaks == 1);
        // Further on, and where the device is in the ring.
        assert!(next.bytes == 113 * MIB);
        assert!(position.follow(at(2 * MIB, 9 * MS)).unwrap().bytes == 114 * MIB);
    }

    #[test]
    fn laps_and_addresses_are_positions() {
        let laps = Kind::IndexLap { index_bits: 16 };
        let mut position = Position::new(shape(laps, 4096, 32)).unwrap();
        let sample = position.follow(at(3 << 16 | 5, 0)).unwrap();
        assert!(sample.bytes == 3 * 16 * MIB + 5 * 4096);
        let address = Kind::Address { base: 0x1000_0000 };
        let mut position = Position::new(shape(address, 1, 32)).unwrap();
        assert!(position.follow(at(0x1000_0200, 0)).unwrap().bytes == 512);
        assert!(position.follow(at(0x0fff_ffff, 0)).is_none());
    }

    #[test]
    fn a_position_that_was_passed_is_a_raw_value() {
        const RING: u64 = 16 * MIB;
        let address = Kind::Address { base: 0x1000_0000 };
        let laps = Kind::IndexLap { index_bits: 12 };
        // All are powers of two: the kernel has no other division.
        for (kind, shift, bits) in [
            (Kind::Counter, 6, 20),
            (Kind::Offset, 6, 32),
            (address, 0, 32),
            (laps, 12, 14),
        ] {
            let mut position = Position::new(shape(kind, 1 << shift, bits)).unwrap();
            assert!(position.raw_at(0).is_none());
            let says = |bytes: u64| {
                let index = (bytes & (RING - 1)) >> shift;
                match kind {
                    Kind::Counter => bytes >> shift & mask(bits),
                    Kind::Offset => index,
                    Kind::Address { base } => base + index,
                    Kind::IndexLap { index_bits } => {
                        (bytes >> 24 << index_bits | index) & mask(bits)
                    }
                }
            };
            let mut bytes = 0;
            // Several times round what the value counts.
            for step in 1..200 {
                bytes += 5 * MIB + (3 << shift);
                let sample = position.follow(at(says(bytes), step * 20 * MS)).unwrap();
                assert!(sample.bytes == bytes && sample.breaks == 0);
                for back in [0, 1 << shift, 3 * MIB, RING] {
                    if let Some(then) = bytes.checked_sub(back) {
                        assert!(position.raw_at(then) == Some(says(then)));
                    }
                }
                assert!(position.raw_at(bytes + 1).is_none());
            }
        }
    }

    #[test]
    fn after_a_break_it_is_the_raw_value_of_the_same_place() {
        let mut position = Position::new(shape(Kind::Counter, 1, 64)).unwrap();
        position.follow(at(100 * MIB, 0)).unwrap();
        let next = position.follow(at(MIB, MS)).unwrap();
        assert!(next.breaks == 1 && position.raw_at(next.bytes) == Some(MIB));
        assert!(position.raw_at(next.bytes - 512) == Some(MIB - 512));
        // Before it was started again.
        assert!(position.raw_at(next.bytes - 2 * MIB).is_none());
    }

    #[test]
    fn a_ring_that_is_passed_in_a_tick_has_no_sample_in_time() {
        let mut shape = shape(Kind::Offset, 1, 32);
        (shape.ring, shape.max_rate) = (1 << 16, 4_000_000_000);
        assert!(Position::new(shape).unwrap().patience() == Some(0));
        // More than time can be reckoned in.
        shape.max_rate = u64::MAX;
        assert!(Position::new(shape).is_err_and(|flaw| flaw == Flaw::Rate));
    }

    #[test]
    fn values_at_the_limits_of_their_bits_are_followed() {
        // A ring of two units, whose place is one bit.
        let mut position = Position::new(shape(Kind::Offset, 8 << 20, 1)).unwrap();
        for step in 1..9 {
            let sample = position.follow(at(step & 1, step * 30 * MS)).unwrap();
            assert!(sample.bytes == step * 8 * MIB && sample.breaks == 0);
        }
        for bits in [32, 64] {
            let mut position = Position::new(shape(Kind::Counter, 1, bits)).unwrap();
            let last = mask(bits) - 511;
            position.follow(at(last, 0)).unwrap();
            let next = position.follow(at(last + 511, MS)).unwrap();
            assert!(next.bytes == mask(bits) && next.breaks == 0);
            assert!(position.raw_at(next.bytes) == Some(mask(bits)));
        }
        // The end of what can be counted: nothing changes, and is not counted as a break either.
        let mut position = Position::new(shape(Kind::Counter, 1, 64)).unwrap();
        position.follow(at(u64::MAX - 1, 0)).unwrap();
        assert!(position.follow(at(4096, MS)).is_none());
        let next = position.follow(at(u64::MAX, MS)).unwrap();
        assert!(next.bytes == u64::MAX && next.breaks == 0);
    }
}
