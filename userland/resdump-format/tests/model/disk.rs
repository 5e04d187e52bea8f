// SPDX-License-Identifier: MIT
//! A disk that reads memory byte by byte while time passes, stalls, does requests in any order, fails some, and has
//! the end of several told at once.

use fastrand::Rng;
use resdump_format::recording::planner::Chunk;

pub(crate) struct Disk {
    /// For each place, which byte of the stream was in memory when it was read.
    pub(crate) places: Vec<u64>,
    pub(crate) segment: u64,
    /// Bytes a tick.
    pub(crate) rate: u64,
    /// Most ticks of a stall, and one in how many ticks begins one; 0: none.
    pub(crate) longest_stall: u32,
    pub(crate) stalls: u32,
    /// One in how many writes fails; 0: none.
    pub(crate) failures: u32,
    stalled: u32,
    flights: Vec<Flight>,
    /// Ended, and not told yet.
    quiet: Vec<(usize, u64)>,
    pub(crate) told: Vec<(usize, u64)>,
}

struct Flight {
    chunk: Chunk,
    done: u64,
}

impl Disk {
    pub(crate) fn new(rate: u64, segment: u64) -> Self {
        Self {
            places: Vec::new(),
            segment,
            rate,
            longest_stall: 0,
            stalls: 0,
            failures: 0,
            stalled: 0,
            flights: Vec::new(),
            quiet: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn submit(&mut self, chunk: Chunk) {
        assert!(
            self.flights
                .iter()
                .all(|flight| flight.chunk.slot != chunk.slot)
        );
        self.flights.push(Flight { chunk, done: 0 });
    }

    pub(crate) fn stall(&mut self, ticks: u32) {
        self.stalled = ticks;
    }

    /// Whether a request has just been half read.
    pub(crate) fn tick(&mut self, memory: &[u64], rng: &mut Rng) -> bool {
        if self.stalls > 0 && rng.u32(0..self.stalls) == 0 {
            self.stalled = rng.u32(0..=self.longest_stall);
        }
        if self.stalled > 0 {
            self.stalled -= 1;
            return false;
        }
        let mut half = false;
        if !self.flights.is_empty() {
            let index = match rng.u8(0..3) {
                0 => rng.usize(0..self.flights.len()),
                _ => 0,
            };
            let flight = &mut self.flights[index];
            let chunk = flight.chunk;
            let more = self.rate.min(chunk.length - flight.done);
            let before = flight.done * 2 < chunk.length;
            let to = chunk.segment * self.segment + chunk.offset;
            for byte in flight.done..flight.done + more {
                let place = (to + byte) as usize;
                if self.places.len() <= place {
                    self.places.resize(place + 1, u64::MAX);
                }
                self.places[place] = memory[(chunk.memory + byte) as usize];
            }
            flight.done += more;
            half = before && flight.done * 2 >= chunk.length;
            if flight.done == chunk.length {
                let fails = self.failures > 0 && rng.u32(0..self.failures) == 0;
                let bytes = if fails {
                    rng.u64(0..chunk.length)
                } else {
                    chunk.length
                };
                // What was not written is not there.
                let (from, to) = ((to + bytes) as usize, (to + chunk.length) as usize);
                self.places[from..to].fill(u64::MAX);
                self.quiet.push((chunk.slot, bytes));
                self.flights.remove(index);
            }
        }
        // Interrupts merge.
        if rng.u8(0..4) == 0 {
            self.told.append(&mut self.quiet);
        }
        half
    }
}
