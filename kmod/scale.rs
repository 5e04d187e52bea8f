// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a device says about its place in a ring, in bytes: the value of a register or of a word, its kind, its units and
//! bits, and when it repeats. Plain `core` code.
//!
//! Included by the module, and by the `recording` crate, where `cargo test` runs its tests on the host.

use super::divide::divide;

/// What the raw value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Units since the device was started at the begin of the ring.
    Counter,
    /// Units from the begin of the ring.
    Offset,
    /// The address that is written next, as the device sees it, in units of 1 byte from there on; the ring begins
    /// at `base`.
    Address {
        /// Address of the ring's first byte.
        base: u64,
    },
    /// Units from the begin of the ring in the lower `index_bits` bits, completed laps above them.
    IndexLap {
        /// Bits of the index, less than all.
        index_bits: u32,
    },
}

/// What is known of a device's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What the raw value is.
    pub kind: Kind,
    /// Size of the ring in bytes.
    pub ring: u64,
    /// Bytes of a unit, not 0.
    pub unit: u32,
    /// Bits of the raw value that count, 1 to 64.
    pub bits: u32,
    /// Bytes that the device may have written beyond its position.
    pub lead: u64,
    /// Bytes before its position that may not be in memory yet.
    pub lag: u64,
    /// Bytes a second that the device never exceeds; 0 if that is not known.
    pub max_rate: u64,
}

/// Why a [`Shape`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A ring of no bytes, or of more than 2^62.
    Ring,
    /// A unit of no bytes, or the ring is not made of whole units.
    Unit,
    /// No bits, more than 64, or too few for the ring.
    Bits,
    /// Lead and lag leave nothing of the ring.
    Slack,
    /// The value repeats, and nothing says how fast: laps cannot be told apart.
    Rate,
    /// The counter starts again within the ring: its size does not divide the bytes that the counter counts.
    Wrap,
}

/// Largest ring: sums of a position, a lead and a ring do not wrap.
const RING_MAX: u64 = 1 << 62;

/// What values of a shape are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    shape: Shape,
    /// Bytes after which the value repeats, if it does.
    span: Option<u64>,
}

impl Scale {
    /// Checks all but whether the greatest rate can be reckoned with.
    pub fn new(shape: Shape) -> Result<Self, Flaw> {
        let Shape {
            kind, ring, unit, ..
        } = shape;
        if ring == 0 || ring > RING_MAX {
            return Err(Flaw::Ring);
        }
        if unit == 0 || divide(ring, unit.into()).1 != 0 {
            return Err(Flaw::Unit);
        }
        if shape.bits == 0 || shape.bits > 64 {
            return Err(Flaw::Bits);
        }
        let slack = shape.lead.checked_add(shape.lag).ok_or(Flaw::Slack)?;
        if slack >= ring {
            return Err(Flaw::Slack);
        }
        let span = match kind {
            Kind::Counter => shifted(unit.into(), shape.bits),
            Kind::Offset => Some(ring),
            Kind::Address { .. } if unit == 1 => Some(ring),
            Kind::Address { .. } => return Err(Flaw::Unit),
            Kind::IndexLap { index_bits } if index_bits == 0 || index_bits >= shape.bits => {
                return Err(Flaw::Bits)
            }
            Kind::IndexLap { index_bits } => shifted(ring, shape.bits - index_bits),
        };
        // The largest value that is a place in the ring.
        let place_bits = match kind {
            Kind::Counter => 64,
            Kind::Offset | Kind::Address { .. } => shape.bits,
            Kind::IndexLap { index_bits } => index_bits,
        };
        let last_unit = divide(ring, unit.into()).0 - 1;
        if last_unit & !mask(place_bits) != 0 {
            return Err(Flaw::Bits);
        }
        if let Some(span) = span {
            if span < ring || divide(span, ring).1 != 0 {
                return Err(Flaw::Wrap);
            }
            if shape.max_rate == 0 {
                return Err(Flaw::Rate);
            }
        }
        Ok(Self { shape, span })
    }

    /// What it was made of.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes after which the value repeats, if it does.
    pub fn span(&self) -> Option<u64> {
        self.span
    }

    /// Bytes around the position of which nothing is known.
    pub fn slack(&self) -> u64 {
        self.shape.lead + self.shape.lag
    }

    /// Bytes by the raw value alone; `None` for a value that is no place in the ring.
    pub fn place(&self, raw: u64) -> Option<u64> {
        let Shape {
            kind,
            ring,
            unit,
            bits,
            ..
        } = self.shape;
        let raw = raw & mask(bits);
        let unit = u64::from(unit);
        // The end of the ring is its begin.
        let inside = |place: u64| match place {
            place if place < ring => Some(place),
            place if place == ring => Some(0),
            _ => None,
        };
        match kind {
            Kind::Counter => raw.checked_mul(unit),
            Kind::Offset => inside(raw.checked_mul(unit)?),
            Kind::Address { base } => inside(raw.wrapping_sub(base) & mask(bits)),
            Kind::IndexLap { index_bits } => {
                let index = inside((raw & mask(index_bits)).checked_mul(unit)?)?;
                (raw >> index_bits).checked_mul(ring)?.checked_add(index)
            }
        }
    }

    /// The value at a place, rounded down to a unit.
    pub fn raw(&self, place: u64) -> u64 {
        let Shape {
            kind, ring, unit, ..
        } = self.shape;
        let raw = match kind {
            Kind::Counter | Kind::Offset => divide(place, unit.into()).0,
            Kind::Address { base } => base.wrapping_add(place),
            Kind::IndexLap { index_bits } => {
                let (lap, index) = divide(place, ring);
                lap << index_bits | divide(index, unit.into()).0
            }
        };
        raw & mask(self.shape.bits)
    }

    /// The place that is `back` bytes, no more than a span, before another; `None` for one before the first.
    pub fn before(&self, place: u64, back: u64) -> Option<u64> {
        match (place.checked_sub(back), self.span) {
            (Some(place), _) => Some(place),
            (None, Some(span)) => Some(place + (span - back)),
            (None, None) => None,
        }
    }

    /// The shortest way from one place to another.
    pub fn way(&self, from: u64, to: u64) -> u64 {
        match self.span {
            Some(span) if to < from => to + (span - from),
            _ => to.wrapping_sub(from),
        }
    }
}

/// The lowest `bits` bits, 1 to 64.
pub fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// `value << bits`, unless that is beyond what a position can be.
fn shifted(value: u64, bits: u32) -> Option<u64> {
    let free = value.leading_zeros();
    (bits < free).then(|| value << bits)
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, ::kernel::prelude::kunit_tests(resmem_scale))]
mod tests {
    use super::*;

    fn shape(kind: Kind, unit: u32, bits: u32) -> Shape {
        Shape {
            kind,
            ring: 16 << 20,
            unit,
            bits,
            lead: 4096,
            lag: 0,
            max_rate: 400_000_000,
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let flaw = |change: fn(&mut Shape)| {
            let mut shape = shape(Kind::Counter, 64, 32);
            change(&mut shape);
            Scale::new(shape).map(|_| ()).unwrap_err()
        };
        assert!(flaw(|shape| shape.ring = 0) == Flaw::Ring);
        assert!(flaw(|shape| shape.unit = 3) == Flaw::Unit);
        assert!(flaw(|shape| shape.bits = 65) == Flaw::Bits);
        assert!(flaw(|shape| shape.bits = 8) == Flaw::Wrap);
        assert!(flaw(|shape| shape.ring = 3 << 20) == Flaw::Wrap);
        assert!(flaw(|shape| shape.lag = 16 << 20) == Flaw::Slack);
        assert!(flaw(|shape| shape.max_rate = 0) == Flaw::Rate);
        assert!(flaw(|shape| shape.kind = Kind::IndexLap { index_bits: 32 }) == Flaw::Bits);
        assert!(flaw(|shape| shape.kind = Kind::IndexLap { index_bits: 0 }) == Flaw::Bits);
        // At their limits.
        assert!(flaw(|shape| shape.unit = 0) == Flaw::Unit);
        assert!(flaw(|shape| shape.unit = u32::MAX) == Flaw::Unit);
        assert!(flaw(|shape| shape.bits = 0) == Flaw::Bits);
        assert!(flaw(|shape| shape.ring = u64::MAX) == Flaw::Ring);
        assert!(flaw(|shape| (shape.lead, shape.lag) = (16 << 20, 0)) == Flaw::Slack);
        assert!(flaw(|shape| (shape.lead, shape.lag) = (u64::MAX, 1)) == Flaw::Slack);
        assert!(flaw(|shape| (shape.kind, shape.bits) = (Kind::Offset, 1)) == Flaw::Bits);
    }
}
