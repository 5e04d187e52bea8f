// SPDX-License-Identifier: MIT
//! What a machine has done to its disks, and what a cut would have left of it.
//!
//! A disk may keep what it is given in a volatile cache until a flush. Of a write it is certain only
//! that it is durable when it had been answered before a flush was asked for, and that flush has been
//! answered. All others may be there, whole, in part or not at all.

use std::sync::Arc;

/// A moment: the number of events before it.
pub type Tick = usize;

/// A write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which disk.
    pub disk: usize,
    /// First byte.
    pub offset: usize,
    /// The bytes.
    pub data: Vec<u8>,
    /// When the disk had them.
    received: Tick,
    /// When they were answered.
    answered: Option<Tick>,
}

impl Write {
    /// By what writes are put into the order in which the disk carried them out.
    pub fn order(&self) -> (Tick, Tick) {
        (self.answered.unwrap_or(Tick::MAX), self.received)
    }
}

/// A flush.
#[derive(Clone, Debug)]
struct Flush {
    disk: usize,
    received: Tick,
    answered: Option<Tick>,
}

/// Everything that happened to some disks, in the order in which it did.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// What was on the disks at first.
    pub bases: Vec<Arc<Vec<u8>>>,
    writes: Vec<Write>,
    flushes: Vec<Flush>,
    clock: Tick,
}

/// What a cut makes of the writes before it.
#[derive(Debug)]
pub struct Remains<'a> {
    /// They are there, applied in this order.
    pub durable: Vec<&'a Write>,
    /// Unknown.
    pub open: Vec<&'a Write>,
}

impl Log {
    /// Disks to which nothing has happened.
    pub fn new(bases: Vec<Arc<Vec<u8>>>) -> Self {
        Self {
            bases,
            ..Self::default()
        }
    }

    /// Now.
    pub fn now(&self) -> Tick {
        self.clock
    }

    /// How many writes there were.
    pub fn writes(&self) -> usize {
        self.writes.len()
    }

    /// How many flushes there were.
    pub fn flushes(&self) -> usize {
        self.flushes.len()
    }

    fn tick(&mut self) -> Tick {
        self.clock += 1;
        self.clock
    }

    /// The disk has been given some bytes; returns the write's number.
    pub fn receive_write(&mut self, disk: usize, offset: usize, data: Vec<u8>) -> usize {
        let received = self.tick();
        self.writes.push(Write {
            disk,
            offset,
            data,
            received,
            answered: None,
        });
        self.writes.len() - 1
    }

    /// Records that a write was answered; returns it.
    pub fn answer_write(&mut self, number: usize) -> &Write {
        let answered = self.tick();
        let write = &mut self.writes[number];
        write.answered = Some(answered);
        write
    }

    /// The disk has been asked to flush; returns the flush's number.
    pub fn receive_flush(&mut self, disk: usize) -> usize {
        let received = self.tick();
        self.flushes.push(Flush {
            disk,
            received,
            answered: None,
        });
        self.flushes.len() - 1
    }

    /// Records that a flush was answered.
    pub fn answer_flush(&mut self, number: usize) {
        self.flushes[number].answered = Some(self.tick());
    }

    /// What a cut at `moment` makes of the writes before it.
    pub fn remains(&self, moment: Tick) -> Remains<'_> {
        let by = |tick: Option<Tick>| tick.is_some_and(|tick| tick <= moment);
        let horizon = |disk| {
            let done = self.flushes.iter().filter(|it| by(it.answered));
            let of_disk = done.filter(|it| it.disk == disk);
            of_disk.map(|it| it.received).max().unwrap_or(0)
        };
        let horizons: Vec<Tick> = (0..self.bases.len()).map(horizon).collect();
        let before = self.writes.iter().filter(|it| it.received <= moment);
        let (mut durable, open): (Vec<_>, Vec<_>) =
            before.partition(|it| it.answered.is_some_and(|tick| tick < horizons[it.disk]));
        durable.sort_by_key(|it| it.order());
        Remains { durable, open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log::new(vec![Arc::new(vec![0; 4096]), Arc::new(vec![0; 4096])])
    }

    fn write(log: &mut Log, disk: usize, byte: u8) {
        let number = log.receive_write(disk, 0, vec![byte; 512]);
        log.answer_write(number);
    }

    fn flush(log: &mut Log, disk: usize) {
        let number = log.receive_flush(disk);
        log.answer_flush(number);
    }

    /// First bytes of the writes that are durable, and of those that are open.
    fn at(log: &Log, moment: Tick) -> (Vec<u8>, Vec<u8>) {
        let remains = log.remains(moment);
        let bytes = |writes: &[&Write]| writes.iter().map(|it| it.data[0]).collect();
        (bytes(&remains.durable), bytes(&remains.open))
    }

    #[test]
    fn what_was_answered_before_a_flush_is_durable_when_the_flush_is() {
        let mut log = log();
        write(&mut log, 0, 1);
        let asked = log.receive_flush(0);
        assert_eq!(at(&log, log.now()), (vec![], vec![1]), "not answered yet");
        log.answer_flush(asked);
        write(&mut log, 0, 2);
        assert_eq!(at(&log, log.now()), (vec![1], vec![2]));
    }

    #[test]
    fn a_write_that_a_flush_overtakes_is_open() {
        let mut log = log();
        let late = log.receive_write(0, 0, vec![1; 512]);
        let asked = log.receive_flush(0);
        log.answer_write(late);
        log.answer_flush(asked);
        assert_eq!(at(&log, log.now()), (vec![], vec![1]));
        flush(&mut log, 0);
        assert_eq!(at(&log, log.now()), (vec![1], vec![]));
    }

    #[test]
    fn a_flush_is_for_its_own_disk() {
        let mut log = log();
        write(&mut log, 0, 1);
        write(&mut log, 1, 2);
        flush(&mut log, 1);
        assert_eq!(at(&log, log.now()), (vec![2], vec![1]));
    }

    #[test]
    fn a_cut_may_be_at_any_moment_of_the_log() {
        let mut log = log();
        assert_eq!(at(&log, 0), (vec![], vec![]));
        write(&mut log, 0, 1);
        let between = log.now();
        flush(&mut log, 0);
        write(&mut log, 0, 2);
        assert_eq!(at(&log, between), (vec![], vec![1]));
        assert_eq!((log.writes(), log.flushes()), (2, 1));
    }

    #[test]
    fn durable_writes_are_in_the_order_of_their_answers() {
        let mut log = log();
        let first = log.receive_write(0, 0, vec![1; 512]);
        let second = log.receive_write(0, 0, vec![2; 512]);
        log.answer_write(second);
        log.answer_write(first);
        flush(&mut log, 0);
        assert_eq!(at(&log, log.now()), (vec![2, 1], vec![]));
    }
}
