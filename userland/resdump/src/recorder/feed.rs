// SPDX-License-Identifier: MIT

//! A live ring: where its device is, and writes from its pages.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
    time::Duration,
};

use nix::errno::Errno;
use resdump_format::recording::position::{Evidence, Sample};
use resmem::{
    Region, RegionRing,
    abi::{EVIDENCE_BOUNDED, EVIDENCE_EXACT, POSITION_CONSUMER, POSITION_TRIGGER, RingPosition},
};

use crate::error::errno_of;

/// A ring that can be recorded.
pub trait Feed {
    /// Where the device is, read after everything that this thread has seen.
    fn position(&mut self) -> nix::Result<Sample>;

    /// Starts to write `length` bytes from `memory` on, in the ring, to `offset` of `file`.
    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<File>,
        offset: u64,
    ) -> io::Result<()>;

    /// A write that has ended: its slot, and the bytes it wrote. Does not wait.
    fn ended(&mut self) -> Option<(usize, io::Result<u32>)>;

    /// Waits for a write to end or the device to reach `position`, and no longer than `longest`. While it waits for a
    /// position, laps are not missed.
    fn wait(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()>;

    /// A trigger of the device itself that came since the last call: the device was there then, or before, and not much
    /// before. As of the last look.
    fn triggered(&mut self) -> Option<u64> {
        None
    }

    /// Everything before `position` was taken: a device with flow control may write there again.
    fn consumed(&mut self, position: u64) -> nix::Result<()> {
        let _ = position;
        Ok(())
    }
}

/// A ring whose device has filled it before its position was first read: one lap more has gone by.
pub struct Filled<'a> {
    feed: &'a mut dyn Feed,
    lap: u64,
}

impl<'a> Filled<'a> {
    /// `feed` has a ring of `lap` bytes.
    pub fn new(feed: &'a mut dyn Feed, lap: u64) -> Self {
        Self { feed, lap }
    }
}

impl Feed for Filled<'_> {
    fn position(&mut self) -> nix::Result<Sample> {
        let sample = self.feed.position()?;
        let bytes = sample.bytes.checked_add(self.lap);
        Ok(Sample {
            bytes: bytes.ok_or(Errno::EOVERFLOW)?,
            ..sample
        })
    }

    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<File>,
        offset: u64,
    ) -> io::Result<()> {
        self.feed.write(slot, memory, length, file, offset)
    }

    fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.feed.ended()
    }

    fn wait(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()> {
        let position = position.map(|position| position.saturating_sub(self.lap));
        self.feed.wait(position, longest)
    }
}

/// A region whose device's position the module knows.
pub struct Live {
    region: Arc<Region>,
    ring: RegionRing,
    /// Of a device that has triggers: how many of them are known.
    triggers: Option<u64>,
    /// Where the last of them was that was not asked for yet.
    pulled: Option<u64>,
    /// The device reads what was taken.
    has_consumer: bool,
}

impl Live {
    /// Registers the region with an io_uring for `depth` writes. Errors: see `IOC_REGISTER` of the ABI.
    pub fn new(region: &Arc<Region>, depth: u32) -> io::Result<Self> {
        Ok(Self {
            region: Arc::clone(region),
            ring: RegionRing::new(region, 0..region.size(), depth)?,
            triggers: None,
            pulled: None,
            has_consumer: false,
        })
    }

    /// Takes note of what an answer says beside the position.
    fn note(&mut self, answer: &RingPosition) {
        self.has_consumer = answer.flags & POSITION_CONSUMER != 0;
        if answer.flags & POSITION_TRIGGER == 0 {
            return;
        }
        // Those that came before are not ours.
        let known = self.triggers.replace(answer.triggers);
        if known.is_some_and(|known| known != answer.triggers) {
            self.pulled = Some(answer.trigger);
        }
    }
}

/// What the module says as what the proof takes.
fn sample(answer: &RingPosition) -> Sample {
    Sample {
        bytes: answer.position,
        time: answer.time,
        breaks: answer.breaks,
        evidence: match answer.evidence {
            EVIDENCE_EXACT => Evidence::Exact,
            EVIDENCE_BOUNDED => Evidence::Bounded,
            _ => Evidence::Unknown,
        },
    }
}

/// Where the device of `region` is, read after everything that this thread has seen.
pub fn look(region: &Region) -> nix::Result<Sample> {
    ask(region).map(|answer| sample(&answer))
}

fn ask(region: &Region) -> nix::Result<RingPosition> {
    // The completions that were seen are the disk's reads of memory: they come first. The module does the same for the
    // bus.
    fence(Ordering::SeqCst);
    region.position().map_err(|error| errno_of(&error))
}

impl Feed for Live {
    fn position(&mut self) -> nix::Result<Sample> {
        let answer = ask(&self.region)?;
        self.note(&answer);
        Ok(sample(&answer))
    }

    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<File>,
        offset: u64,
    ) -> io::Result<()> {
        self.ring.write(slot, memory, length, file, offset)
    }

    fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.ring.ended()
    }

    fn wait(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()> {
        let waited = match self.triggers {
            Some(known) => self.ring.wait_for_trigger(position, known, longest),
            None => self.ring.wait_for(position, longest),
        };
        match waited {
            // Taken by a later call: the submission queue was full.
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Ok(()),
            result => result,
        }
    }

    fn triggered(&mut self) -> Option<u64> {
        self.pulled.take()
    }

    fn consumed(&mut self, position: u64) -> nix::Result<()> {
        if !self.has_consumer {
            return Ok(());
        }
        match self
            .region
            .consumed(position)
            .map_err(|error| errno_of(&error))
        {
            // By laps that were not counted, or before the device was started: the next one counts.
            Err(Errno::ERANGE) => Ok(()),
            result => result,
        }
    }
}
