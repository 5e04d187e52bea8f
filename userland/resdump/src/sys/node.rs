// SPDX-License-Identifier: MIT

//! An open device node `/dev/resmem/<label>`.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
};

use nix::{Result, errno::Errno};
use resmem_abi::{
    RegionInfo, Transfer,
    abi::{RegionSync, RingDoorbell, RingPosition, SYNC_FOR_CPU},
    ioctl,
};

use crate::span::Span;

/// An open device node of a region.
///
/// # Invariants
///
/// `file` is a character device that answered `IOC_INFO` as the `resmem` module does.
#[derive(Debug)]
pub struct Node {
    file: File,
    info: RegionInfo,
}

/// Which way a [`Node`] moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the region to a file.
    Dump,
    /// From a file to the region.
    Load,
}

impl Node {
    /// Opens a device node, for reading or, to load, for writing as well. `ENOTTY` when it is not a
    /// region.
    pub fn open(path: &Path, direction: Direction) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(direction == Direction::Load)
            .open(path)?;
        if !file.metadata()?.file_type().is_char_device() {
            return Err(Errno::ENOTTY.into());
        }
        let mut info = RegionInfo {
            abi: 0,
            flags: 0,
            base: 0,
            size: 0,
            page_size: 0,
            features: 0,
            label: [0; _],
            reserved: [0; _],
        };
        // SAFETY: The descriptor is open, and `info` is what a region answers with. For another
        // driver the number holds the size of `info` and the direction, and none in the kernel has
        // the same one.
        unsafe { ioctl::info(file.as_raw_fd(), &raw mut info) }?;
        if info.abi == 0 || info.size == 0 {
            return Err(Errno::ENOTTY.into());
        }
        // INVARIANT: It is a character device that answered with a revision and a size.
        Ok(Self { file, info })
    }

    /// What the module said of the region.
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// The open file, to read or to map.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes what a device wrote to `span` what this processor reads from a mapping of it.
    ///
    /// Errors: see `IOC_SYNC` of the ABI.
    pub fn sync_for_cpu(&self, span: Span) -> Result<()> {
        let sync = RegionSync {
            region_offset: span.offset,
            length: span.length,
            direction: SYNC_FOR_CPU,
            ..RegionSync::default()
        };
        // SAFETY: By the type invariants it is a region; `sync` is valid.
        unsafe { ioctl::sync(self.file.as_raw_fd(), &raw const sync) }.map(drop)
    }

    /// Where the device is in the ring that the region is, read now. Errors: see `IOC_POSITION` of the ABI.
    pub fn position(&self) -> Result<RingPosition> {
        let mut position = RingPosition::default();
        // SAFETY: By the type invariants it is a region; `position` is valid for writes.
        unsafe { ioctl::position(self.file.as_raw_fd(), &raw mut position) }?;
        Ok(position)
    }

    /// Publishes the position of a device that this program drives. Errors: see `IOC_DOORBELL` of the ABI.
    pub fn ring_doorbell(&self, raw: u64) -> Result<()> {
        let doorbell = RingDoorbell {
            raw,
            ..RingDoorbell::default()
        };
        // SAFETY: By the type invariants it is a region; `doorbell` is valid.
        unsafe { ioctl::doorbell(self.file.as_raw_fd(), &raw const doorbell) }.map(drop)
    }

    /// Moves bytes between the region and `other`, whose descriptor is filled in here. Blocks until
    /// nothing is in flight. The answer is in `transfer`, also when nothing was moved.
    ///
    /// Errors: see `IOC_DUMP` and `IOC_LOAD` of the ABI; they mean that nothing was moved.
    pub fn transfer(
        &self,
        direction: Direction,
        other: BorrowedFd<'_>,
        transfer: &mut Transfer,
    ) -> Result<()> {
        transfer.fd = other.as_raw_fd();
        let command = match direction {
            Direction::Dump => ioctl::dump,
            Direction::Load => ioctl::load,
        };
        // SAFETY: By the type invariants it is a region; both descriptors are open, and `transfer`
        // is valid for reads and writes.
        unsafe { command(self.file.as_raw_fd(), &raw mut *transfer) }.map(drop)
    }
}
