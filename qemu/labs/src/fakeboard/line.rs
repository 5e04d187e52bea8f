// SPDX-License-Identifier: MIT
//! A serial line as it is: so many characters a second, and not all of them as they were sent.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// How a line hurts what goes over it.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// Repeats the draws of an earlier run.
    pub seed: u64,
    /// Of so many characters, one is lost or has a bit changed, or another one comes with it; 0 for a line without
    /// noise.
    pub one_in: u64,
}

/// What a line has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    pub carried: u64,
    pub lost: u64,
    pub changed: u64,
    pub added: u64,
}

/// One direction of a serial line.
pub(super) struct Line {
    noise: Noise,
    draws: Rng,
    /// Of a character: a start bit, eight bits, a stop bit.
    each: Duration,
    /// When the line is free again.
    free: Instant,
    pub damage: Damage,
}

impl Line {
    pub(super) fn new(baud: u32, noise: Noise, direction: u64) -> Self {
        Self {
            noise,
            draws: Rng::with_seed(noise.seed.wrapping_mul(2).wrapping_add(direction)),
            each: Duration::from_secs(10) / baud,
            free: Instant::now(),
            damage: Damage::default(),
        }
    }

    /// What arrives of some characters, when they have had their time.
    pub(super) fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.free = self.free.max(Instant::now()) + self.each * count;
        std::thread::sleep(self.free.saturating_duration_since(Instant::now()));
        let mut arrived = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.damage.carried += 1;
            if self.noise.one_in == 0 || self.draws.u64(0..self.noise.one_in) != 0 {
                arrived.push(*byte);
                continue;
            }
            match self.draws.u8(0..3) {
                0 => self.damage.lost += 1,
                1 => {
                    self.damage.changed += 1;
                    arrived.push(byte ^ (1 << self.draws.u8(0..8)));
                }
                _ => {
                    self.damage.added += 1;
                    arrived.extend([*byte, self.draws.u8(..)]);
                }
            }
        }
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(one_in: u64, seed: u64) -> (Vec<u8>, Damage) {
        let mut line = Line::new(4_000_000, Noise { seed, one_in }, 0);
        let arrived = line.carry(&[0x55; 4000]);
        (arrived, line.damage)
    }

    #[test]
    fn noise_is_what_was_asked_for_and_repeats_with_its_seed() {
        let (arrived, damage) = carried(20, 7);
        let hurt = damage.lost + damage.changed + damage.added;
        assert!((100..300).contains(&hurt), "{damage:?}");
        assert_eq!(arrived.len() as u64, 4000 - damage.lost + damage.added);
        assert_eq!(carried(20, 7), (arrived.clone(), damage));
        assert_ne!(carried(20, 8).0, arrived);
    }

    #[test]
    fn a_line_without_noise_takes_its_time() {
        let began = Instant::now();
        let (arrived, _) = carried(0, 1);
        assert_eq!(arrived, [0x55; 4000]);
        assert!(began.elapsed() >= Duration::from_millis(10));
    }
}
