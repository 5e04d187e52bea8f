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
    abi::{EVIDENCE_BOUNDED, EVIDENCE_EXACT, RingPosition},
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

    /// Waits for a write to end or the device to reach `position`, and no longer than `longest`.
    fn wait(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()>;
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
}

impl Live {
    /// Registers the region with an io_uring for `depth` writes. Errors: see `IOC_REGISTER` of the ABI.
    pub fn new(region: &Arc<Region>, depth: u32) -> io::Result<Self> {
        Ok(Self {
            region: Arc::clone(region),
            ring: RegionRing::new(region, 0..region.size(), depth)?,
        })
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
    // The completions that were seen are the disk's reads of memory: they come first. The module does the same for the
    // bus.
    fence(Ordering::SeqCst);
    let answer = region.position();
    answer
        .map(|answer| sample(&answer))
        .map_err(|error| errno_of(&error))
}

impl Feed for Live {
    fn position(&mut self) -> nix::Result<Sample> {
        look(&self.region)
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
        match self.ring.wait_for(position, longest) {
            // Taken by a later call: the submission queue was full.
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Ok(()),
            result => result,
        }
    }
}
