// SPDX-License-Identifier: MIT
//! Hardware that the host plays: it reads the guest's memory while the guest runs, and counts what it has read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::recording::pass_time;

/// The document's ring, and its counter in the place of a register.
const RING: u64 = 0x1800_0000;
pub(super) const RING_SIZE: u64 = 4 << 20;
const COUNTER: u64 = 0x1200_0010;
const UNIT: u64 = 64;
/// As in the document.
pub(super) const LEAD: u64 = 4096;
/// Bytes that it reads before it counts them: no more than the lead.
pub(super) const BURST: u64 = 4096;
/// A rate that leaves a slow host time, and is far below the node's greatest.
const RATE: u64 = 3 << 20;

/// No read from disk is larger.
pub(super) const CHUNK: u64 = 256 << 10;

/// In the place of bytes that are not loaded yet.
const MARK: [u8; 16] = [0xa5; 16];

pub(super) struct Device {
    memory: File,
    position: u64,
    /// All that it has read.
    pub(super) heard: Vec<u8>,
}

impl Device {
    /// It has not been started.
    pub(super) fn new(memory: File) -> Result<Self> {
        let device = Self {
            memory,
            position: 0,
            heard: Vec::new(),
        };
        device.count()?;
        Ok(device)
    }

    fn count(&self) -> Result<()> {
        let counter = (self.position / UNIT) as u32;
        Ok(self.memory.write_all_at(&counter.to_be_bytes(), COUNTER)?)
    }

    /// Where a byte is that is loaded before it is started: the ring is full but for a chunk then.
    fn last(&self) -> u64 {
        RING + (self.position + RING_SIZE - 2 * CHUNK) % RING_SIZE
    }

    /// Puts a mark into the ring, where it has read already.
    pub(super) fn mark(&mut self) -> Result<()> {
        Ok(self.memory.write_all_at(&MARK, self.last())?)
    }

    /// Waits until something is in the place of the mark. The host has no event for that.
    pub(super) fn wait_until_filled(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let mut bytes = MARK;
            self.memory.read_exact_at(&mut bytes, self.last())?;
            if bytes != MARK {
                return Ok(());
            }
            ensure!(Instant::now() < until, "the ring is not filled in 60 s");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads `bytes` more.
    pub(super) fn read(&mut self, bytes: u64) -> Result<()> {
        let from = self.position;
        while self.position < from + bytes {
            let mut burst = [0; BURST as usize];
            let place = RING + self.position % RING_SIZE;
            self.memory.read_exact_at(&mut burst, place)?;
            self.heard.extend(burst);
            self.position += BURST;
            self.count()?;
            pass_time(BURST, RATE);
        }
        Ok(())
    }
}
