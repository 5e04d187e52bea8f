// SPDX-License-Identifier: MIT
//! Disks as a cut may have left them: all that is durable, and of the rest what chance decides.

use std::ops::Range;

use fastrand::Rng;
use serde::Serialize;

use super::log::{Log, Tick, Write};

/// What becomes of the writes that were not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// None is there.
    None,
    /// All are there.
    All,
    /// Some are, in any order, and of some a part.
    Some,
}

/// A cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// When.
    pub moment: Tick,
    /// What becomes of the rest.
    pub luck: Luck,
    /// Decides what chance decides.
    pub seed: u64,
}

/// What became of the writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// They were durable.
    pub durable: usize,
    /// They were not, and are there.
    pub kept: usize,
    /// They are there in part.
    pub torn: usize,
    /// They are not there.
    pub dropped: usize,
}

impl Fate {
    /// That of two sets of writes.
    pub fn and(self, other: Self) -> Self {
        Self {
            durable: self.durable + other.durable,
            kept: self.kept + other.kept,
            torn: self.torn + other.torn,
            dropped: self.dropped + other.dropped,
        }
    }
}

/// The disks after a cut. `units` says for each disk how many bytes are written as a whole or not at
/// all, beginning at multiples of that.
pub fn disks(log: &Log, cut: &Cut, units: &[usize]) -> (Vec<Vec<u8>>, Fate) {
    let mut rng = Rng::with_seed(cut.seed);
    let remains = log.remains(cut.moment);
    let mut disks: Vec<Vec<u8>> = log.bases.iter().map(|base| base.to_vec()).collect();
    let mut fate = Fate {
        durable: remains.durable.len(),
        ..Fate::default()
    };
    for write in &remains.durable {
        put(&mut disks, write, 0..write.data.len());
    }
    let chances: Vec<f64> = disks.iter().map(|_| chance(&mut rng)).collect();
    let mut open = remains.open;
    match cut.luck {
        // What arrives last stays.
        Luck::All => open.sort_by_key(|write| write.order()),
        Luck::None | Luck::Some => rng.shuffle(&mut open),
    }
    for write in open {
        let there = match cut.luck {
            Luck::None => false,
            Luck::All => true,
            Luck::Some => rng.f64() < chances[write.disk],
        };
        let pieces = pieces(write, units[write.disk]);
        if !there {
            fate.dropped += 1;
        } else if cut.luck == Luck::Some && pieces.len() > 1 && rng.u8(..4) == 0 {
            fate.torn += 1;
            for piece in part(pieces, &mut rng) {
                put(&mut disks, write, piece);
            }
        } else {
            fate.kept += 1;
            put(&mut disks, write, 0..write.data.len());
        }
    }
    (disks, fate)
}

/// How likely a write is to be there, for one disk: a cache that has hardly begun to empty itself, one
/// that is nearly done, and what lies between.
fn chance(rng: &mut Rng) -> f64 {
    [0.1, 0.5, 0.9][rng.usize(..3)]
}

fn put(disks: &mut [Vec<u8>], write: &Write, part: Range<usize>) {
    let at = write.offset + part.start;
    disks[write.disk][at..at + part.len()].copy_from_slice(&write.data[part]);
}

/// The parts of a write that are each there or not.
fn pieces(write: &Write, unit: usize) -> Vec<Range<usize>> {
    let end = write.offset + write.data.len();
    let mut pieces = Vec::new();
    let mut at = write.offset;
    while at < end {
        let next = (at / unit + 1) * unit;
        pieces.push(at - write.offset..next.min(end) - write.offset);
        at = next;
    }
    pieces
}

/// Some of several pieces: the first few, or any.
fn part(mut pieces: Vec<Range<usize>>, rng: &mut Rng) -> Vec<Range<usize>> {
    let some = rng.usize(1..pieces.len());
    if rng.bool() {
        rng.shuffle(&mut pieces);
    }
    pieces.truncate(some);
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SIZE: usize = 64 << 10;

    /// One durable write of 1 over all of the disk, then 16 of a number each that nothing flushes.
    fn log() -> Log {
        let mut log = Log::new(vec![Arc::new(vec![0; SIZE])]);
        let first = log.receive_write(0, 0, vec![1; SIZE]);
        log.answer_write(first);
        let flush = log.receive_flush(0);
        log.answer_flush(flush);
        for number in 0..16 {
            let write = log.receive_write(0, number * 4096, vec![10 + number as u8; 4096]);
            log.answer_write(write);
        }
        log
    }

    fn after(log: &Log, luck: Luck, seed: u64, unit: usize) -> (Vec<u8>, Fate) {
        let cut = Cut {
            moment: log.now(),
            luck,
            seed,
        };
        let (mut disks, fate) = disks(log, &cut, &[unit]);
        (disks.remove(0), fate)
    }

    #[test]
    fn without_luck_only_what_is_durable_is_there() {
        let (disk, fate) = after(&log(), Luck::None, 1, 512);
        assert_eq!(disk, vec![1; SIZE]);
        assert_eq!((fate.durable, fate.dropped), (1, 16));
    }

    #[test]
    fn with_luck_all_is_there_the_last_write_on_top() {
        let mut log = log();
        let last = log.receive_write(0, 4096, vec![99; 512]);
        log.answer_write(last);
        for seed in 0..20 {
            let (disk, fate) = after(&log, Luck::All, seed, 512);
            assert_eq!((disk[0], disk[4096], disk[4096 + 512]), (10, 99, 11));
            assert_eq!((fate.kept, fate.torn, fate.dropped), (17, 0, 0));
        }
    }

    #[test]
    fn chance_drops_tears_and_keeps_and_every_unit_is_of_one_write() {
        let log = log();
        let mut sum = Fate::default();
        for seed in 0..50 {
            let (disk, fate) = after(&log, Luck::Some, seed, 512);
            for (at, unit) in disk.chunks(512).enumerate() {
                let new = 10 + (at / 8) as u8;
                assert!(unit.iter().all(|&byte| byte == 1) || unit.iter().all(|&byte| byte == new));
            }
            assert_eq!(fate.durable + fate.kept + fate.torn + fate.dropped, 17);
            sum = sum.and(fate);
        }
        assert!(
            sum.kept > 100 && sum.torn > 20 && sum.dropped > 100,
            "{sum:?}"
        );
    }

    #[test]
    fn what_is_written_as_a_whole_is_not_torn() {
        let log = log();
        for seed in 0..50 {
            assert_eq!(after(&log, Luck::Some, seed, 4096).1.torn, 0);
        }
    }

    #[test]
    fn writes_to_one_place_are_there_in_any_order() {
        let mut log = Log::new(vec![Arc::new(vec![0; 512])]);
        for byte in [1, 2] {
            let write = log.receive_write(0, 0, vec![byte; 512]);
            log.answer_write(write);
        }
        let seen: std::collections::BTreeSet<u8> = (0..50)
            .map(|seed| after(&log, Luck::Some, seed, 512).0[0])
            .collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_seed_repeats_a_state() {
        let log = log();
        assert_eq!(
            after(&log, Luck::Some, 7, 512),
            after(&log, Luck::Some, 7, 512)
        );
        assert_ne!(
            after(&log, Luck::Some, 7, 512).0,
            after(&log, Luck::Some, 8, 512).0
        );
    }

    #[test]
    fn pieces_begin_at_multiples_of_the_unit() {
        let mut log = Log::new(vec![Arc::new(vec![0; SIZE])]);
        log.receive_write(0, 1024, vec![0; 8192]);
        let remains = log.remains(log.now());
        assert_eq!(
            pieces(remains.open[0], 4096),
            [0..3072, 3072..7168, 7168..8192]
        );
    }
}
