// SPDX-License-Identifier: MIT
//! A device that fills a ring, and says where it is as its shape promises: never more than `lead` behind what it
//! has written, never more than `lag` before what is in memory.

use fastrand::Rng;
use resdump_format::recording::position::{Kind, Reading, Shape};

/// Nanoseconds of a tick.
pub(crate) const TICK: u64 = 1_000;

pub(crate) struct Device {
    pub(crate) shape: Shape,
    /// For each byte of the ring, which byte of the stream it is.
    pub(crate) memory: Vec<u64>,
    /// Bytes written, since ever.
    pub(crate) written: u64,
    /// The position that can be read.
    pub(crate) position: u64,
    /// Bytes a tick when it runs.
    pub(crate) rate: u64,
    /// Ticks until it runs or pauses again.
    until_change: u32,
    runs: bool,
    carry: u64,
}

impl Device {
    pub(crate) fn new(rng: &mut Rng, block: u64, most_chunks: u64) -> Self {
        let unit = 1u64 << rng.u32(0..7);
        let ring = block.max(64) * (1 << rng.u32(3..7)) * rng.u64(1..=most_chunks);
        let power = ring.is_power_of_two();
        let slack = |rng: &mut Rng| match rng.u8(0..3) {
            0 => 0,
            _ => rng.u64(0..=ring / 8 / unit) * unit,
        };
        let (lead, lag) = (slack(rng), slack(rng));
        let rate = rng.u64(1..=ring / 32);
        let bits_of = |bytes: u64| (bytes / unit).next_power_of_two().trailing_zeros();
        let (kind, bits) = match rng.u8(0..5) {
            // Wraps after as few laps as can be.
            0 if power => (Kind::Counter, bits_of(ring) + rng.u32(1..4)),
            0 | 1 => (Kind::Counter, 64),
            2 => (Kind::Offset, bits_of(ring) + 1),
            3 if unit == 1 => (Kind::Address { base: 0xffff_f000 }, 33),
            _ => {
                let index_bits = bits_of(ring) + 1;
                (Kind::IndexLap { index_bits }, index_bits + rng.u32(1..4))
            }
        };
        let shape = Shape {
            kind,
            ring,
            unit: unit as u32,
            bits,
            lead,
            lag,
            max_rate: rate * (1_000_000_000 / TICK) * rng.u64(10..13) / 10,
        };
        // Not always at the begin.
        let position = rng.u64(0..3 * ring / unit) * unit;
        let mut device = Self {
            shape,
            memory: vec![u64::MAX; ring as usize],
            written: position.saturating_sub(ring),
            position,
            rate,
            until_change: rng.u32(1..2_000),
            runs: true,
            carry: 0,
        };
        device.write(position);
        device
    }

    fn write(&mut self, to: u64) {
        for byte in self.written..to {
            self.memory[(byte % self.shape.ring) as usize] = byte;
        }
        self.written = self.written.max(to);
    }

    pub(crate) fn tick(&mut self, rng: &mut Rng) {
        self.until_change -= 1;
        if self.until_change == 0 {
            self.runs = !self.runs || rng.bool();
            self.until_change = match self.runs {
                true => rng.u32(1..5_000),
                false => rng.u32(1..300),
            };
        }
        if !self.runs {
            return;
        }
        let unit = u64::from(self.shape.unit);
        self.carry += self.rate;
        let more = self.carry / unit * unit;
        self.carry -= more;
        // Now and then ahead of the position, then behind it.
        let Shape { lead, lag, .. } = self.shape;
        let to = self.written + more;
        if to > self.position + lead || rng.u8(0..4) == 0 {
            let least = self.position.max(to.saturating_sub(lead));
            let most = (to + lag).max(least);
            self.position = least + rng.u64(0..=(most - least) / unit) * unit;
        }
        self.write(to);
        assert!(self.written <= self.position + lead);
        assert!(self.written + lag >= self.position);
    }

    /// What a program reads at `time`.
    pub(crate) fn reading(&self, time: u64) -> Reading {
        let Shape {
            kind, ring, unit, ..
        } = self.shape;
        let (unit, place) = (u64::from(unit), self.position % ring);
        let raw = match kind {
            Kind::Counter => self.position / unit,
            Kind::Offset => place / unit,
            Kind::Address { base } => base + place,
            Kind::IndexLap { index_bits } => {
                ((self.position / ring) << index_bits) | (place / unit)
            }
        };
        let mask = u64::MAX >> (64 - self.shape.bits);
        Reading {
            raw: raw & mask,
            before: time,
            after: time,
        }
    }
}
