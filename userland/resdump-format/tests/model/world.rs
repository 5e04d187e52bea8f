// SPDX-License-Identifier: MIT
//! Device, disk and recorder in one: what the recorder says is compared with what happened, byte by byte.

use std::convert::Infallible;

use fastrand::Rng;
use resdump_format::recording::{
    index::{Origin, Record, State, Writer},
    layout::{Gaps, Layout},
    planner::{Cause, Chunk, Event, Need, Planner, Step},
    position::{Evidence, Position, Sample},
    proof::Ring,
    session::{self, Machine},
    summary::Summary,
};

use crate::{
    device::{Device, TICK},
    disk::Disk,
};

/// A recorder that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    None,
    /// Writes are judged by the position that they were submitted by.
    NoSecondLook,
    /// By one that was read before the disk had finished.
    LookTooEarly,
    LeadIgnored,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) device: Device,
    pub(crate) disk: Disk,
    pub(crate) layout: Layout,
    /// The recorder always wakes up in time.
    pub(crate) on_time: bool,
    /// Position of the device less offset in the stream.
    shift: u64,
    /// Writes from before this offset were under way when the position was lost.
    doubtful: u64,
    cheat: Cheat,
    position: Position,
    now: u64,
    last: Sample,
    /// For those who cheat.
    earlier: Sample,
    landed: bool,
    /// Bytes of the true stream less those of the samples.
    missed: u64,
    index: Writer,
    pub(crate) bytes: Vec<u8>,
    /// What is wrong.
    pub(crate) error: Option<String>,
}

impl World {
    /// Drawn at random.
    pub(crate) fn new(seed: u64, cheat: Cheat) -> Self {
        let mut rng = Rng::with_seed(seed);
        let block = 1 << rng.u32(4..8);
        let device = Device::new(&mut rng, block, 8);
        let slack = device.shape.lead + device.shape.lag;
        let most = (device.shape.ring - slack) / block;
        let layout = Layout {
            chunk: rng.u64(1..=most.div_ceil(2)) * block,
            block,
            segment: rng.u64(1..=4 * device.shape.ring / block) * block,
            depth: rng.usize(1..5),
            gaps: [Gaps::Hole, Gaps::Hole, Gaps::Skip, Gaps::Stop][rng.usize(0..4)],
        };
        // From too slow to much faster.
        let mut disk = Disk::new((device.rate * rng.u64(5..40) / 10).max(1), layout.segment);
        if rng.bool() {
            let lap = (device.shape.ring / device.rate) as u32;
            disk.longest_stall = lap * 2;
            disk.stalls = lap * rng.u32(1..20);
        }
        if rng.u8(0..4) == 0 {
            disk.failures = rng.u32(2..50);
        }
        Self::with(rng, device, disk, layout, cheat)
    }

    pub(crate) fn with(rng: Rng, device: Device, disk: Disk, layout: Layout, cheat: Cheat) -> Self {
        let mut position = Position::new(device.shape).expect("a device's shape");
        let last = position
            .follow(device.reading(0))
            .expect("a place in the ring");
        let missed = device.position - last.bytes;
        Self {
            index: Writer::new(rng.clone().u64(..), layout.block as usize),
            rng,
            device,
            disk,
            layout,
            on_time: false,
            shift: 0,
            doubtful: 0,
            cheat,
            position,
            now: 0,
            last,
            earlier: last,
            landed: false,
            missed,
            bytes: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn begin(&mut self, history: u64) -> Planner {
        let shape = self.device.shape;
        let lead = match self.cheat {
            Cheat::LeadIgnored => 0,
            _ => shape.lead,
        };
        let ring = Ring {
            size: shape.ring,
            lead,
            lag: shape.lag,
        };
        let segment = self.rng.u64(0..3);
        let planner = Planner::new(ring, self.layout, &self.last, history, segment)
            .expect("a layout that fits");
        self.shift = planner.shift();
        let origin = Origin {
            begin: planner.begin(),
            shift: planner.shift(),
            ring: shape.ring,
            lead: shape.lead,
            lag: shape.lag,
            max_rate: shape.max_rate,
            segment: self.layout.segment,
            block: self.layout.block,
            gaps: self.layout.gaps,
            ..Origin::default()
        };
        self.index.push(self.now, Record::Origin(origin));
        planner
    }

    fn sample(&mut self) -> Sample {
        let reading = self.device.reading(self.now);
        let sample = self.position.follow(reading).expect("a place in the ring");
        let missed = self.device.position - sample.bytes;
        if sample.breaks != self.last.breaks {
            self.missed = missed;
            self.doubtful = sample.bytes.wrapping_sub(self.shift);
            assert_eq!(sample.evidence, Evidence::Unknown);
        } else if missed != self.missed {
            self.wrong(format!("position is off by {missed}, not {}", self.missed));
        }
        self.last = sample;
        sample
    }

    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        self.device.tick(&mut self.rng);
        if self.disk.tick(&self.device.memory, &mut self.rng) && self.cheat == Cheat::LookTooEarly {
            self.earlier = self.sample();
        }
    }

    /// Until the device is at `position` or a write has ended; too late now and then.
    fn wait(&mut self, position: Option<u64>) {
        let patience = self.position.patience().unwrap_or(u64::MAX) / TICK;
        let late = match self.rng.u8(0..100) {
            0 if !self.on_time => patience.min(10_000) * 2,
            _ => u64::MAX,
        };
        let mut ticks = self.rng.u64(0..3);
        for _ in 0..ticks {
            self.tick();
        }
        loop {
            let there = position.is_some_and(|at| {
                self.last.bytes + (self.device.position - self.last.bytes - self.missed) >= at
            });
            let woken = there || !self.disk.told.is_empty() || ticks >= patience / 2;
            if (late == u64::MAX && woken) || ticks >= late || ticks > 100_000 {
                return;
            }
            self.tick();
            ticks += 1;
        }
    }

    fn wrong(&mut self, what: String) {
        self.error.get_or_insert(what);
    }

    /// Records `history` bytes, and until the device has produced about `bytes` more.
    pub(crate) fn record(&mut self, history: u64, bytes: u64) -> Planner {
        let mut planner = self.begin(history);
        let end = self.device.written + bytes;
        // As behind a trigger, and another one.
        let mut triggers = match self.rng.u8(0..4) {
            0 => self.rng.u8(1..3),
            _ => 0,
        };
        loop {
            if triggers > 0 && self.rng.u8(0..4) == 0 && self.device.written < end {
                triggers -= 1;
                planner.end_after(planner.position() + self.rng.u64(0..bytes));
            }
            let need = match self.rng.u8(0..8) {
                0 => Need::Blocks,
                _ => Need::Chunk,
            };
            if self.device.written >= end {
                planner.stop();
            }
            let Ok(step) = session::turn(&mut planner, &mut *self, need);
            self.check(&planner);
            if self.rng.u8(0..20) == 0 {
                self.flush();
            }
            match step {
                Step::Wait(position) => self.wait(Some(position)),
                Step::Busy => self.wait(None),
                Step::Full => planner.cut(),
                Step::Ended => break,
                Step::Write(_) => unreachable!("never returned"),
            }
            if self.error.is_some() {
                break;
            }
        }
        let state = State::new(planner.account(), planner.produced(), 0);
        self.index.push(self.now, Record::End(state));
        self.flush();
        planner
    }

    fn flush(&mut self) {
        let (at, bytes) = self.index.take(self.now);
        assert_eq!(at, self.bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    /// Produced = recorded + suspect + gap + unread, and nothing is given back to the device before that is known of it.
    fn check(&mut self, planner: &Planner) {
        let account = planner.account();
        let known = account.recorded + account.suspect + account.gap;
        let given = planner.settled().wrapping_sub(planner.shift());
        if given.wrapping_sub(planner.begin()) > known {
            self.wrong(format!(
                "{given} is given back, and {known} bytes are known"
            ));
        }
        let sum = known + planner.unread();
        if sum != planner.produced() {
            self.wrong(format!(
                "{sum} bytes accounted for of {}",
                planner.produced()
            ));
        }
    }

    /// What the index says, against what was decided.
    pub(crate) fn check_index(&mut self, planner: &Planner) -> Summary {
        let summary = Summary::read(&*self.bytes).expect("bytes in memory");
        let account = planner.account();
        let totals = summary.totals();
        if (totals.recorded, totals.suspect, totals.gap)
            != (account.recorded, account.suspect, account.gap)
            || totals.recorded + totals.suspect + totals.gap != planner.produced()
        {
            self.wrong(format!("the index has {totals:?}, the account {account:?}"));
        }
        if let Some(at) = summary.contradiction() {
            self.wrong(format!("the index contradicts itself at {at}"));
        }
        assert!(summary.ended && !summary.tail);
        summary
    }

    /// What was just decided, against what is on disk and what has happened in memory.
    fn judge(&mut self, event: Event) {
        let shape = self.device.shape;
        let (from, to) = event.range();
        // Bytes of the true stream.
        let truth = |offset: u64| offset.wrapping_add(self.shift).wrapping_add(self.missed);
        match event {
            Event::Data { place, .. } => {
                for byte in 0..to - from {
                    let read = self.disk.places[(place + byte) as usize];
                    if read != truth(from + byte) {
                        let what = format!("byte {} is {read}, and called whole", from + byte);
                        return self.wrong(what);
                    }
                }
            }
            Event::Gap {
                cause: Cause::Write | Cause::Unknown,
                ..
            } => {}
            Event::Suspect { .. } if from < self.doubtful => {}
            Event::Suspect { .. } | Event::Gap { .. } if self.cheat != Cheat::None => {}
            Event::Suspect { .. } | Event::Gap { .. } => {
                let whole = (truth(to) + shape.ring).saturating_sub(self.device.written);
                if whole > shape.lead + shape.lag {
                    let what = format!("{event:?}: {whole} bytes were not overwritten");
                    self.wrong(what);
                }
            }
        }
    }
}

impl Machine for World {
    type Error = Infallible;

    fn landed(&mut self) -> Result<Option<(usize, u64)>, Infallible> {
        // Writes end at any time, also between the look at the device and this.
        if self.rng.u8(0..8) == 0 {
            self.tick();
        }
        let ended = self.disk.told.pop();
        self.landed |= ended.is_some();
        Ok(ended)
    }

    fn position(&mut self) -> Result<Sample, Infallible> {
        // Others run between a write's end and the look.
        if self.rng.u8(0..8) == 0 {
            for _ in 0..self.rng.u64(0..5) {
                self.tick();
            }
        }
        let (before, now) = (self.last, self.sample());
        let landed = std::mem::take(&mut self.landed);
        Ok(match self.cheat {
            Cheat::NoSecondLook if landed => before,
            Cheat::LookTooEarly if landed => self.earlier,
            _ => now,
        })
    }

    fn submit(&mut self, chunk: &Chunk) -> Result<(), Infallible> {
        let block = self.layout.block;
        for aligned in [chunk.from, chunk.length, chunk.memory, chunk.offset] {
            assert_eq!(aligned % block, 0, "{chunk:?}");
        }
        assert!(chunk.length <= self.layout.chunk && chunk.payload <= chunk.length);
        assert!(chunk.memory + chunk.length <= self.device.shape.ring);
        assert!(chunk.offset + chunk.length <= self.layout.segment);
        self.disk.submit(*chunk);
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Infallible> {
        self.judge(event);
        self.index.push(self.now, Record::Part(event));
        Ok(())
    }
}
