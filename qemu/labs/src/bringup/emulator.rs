// SPDX-License-Identifier: MIT
//! The board as QEMU plays it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Place;
use crate::run::fill_with_random;
use board::{Board, Image};
use machine::Machine;
use machine::disk::Disk;
use machine::guest::Guest;

/// Bytes a second that the file system's disk takes, so that a cut is within a dump.
const RATE: u64 = 8_000_000;
/// Bytes of its file system, and of the other disk.
const FILE_SYSTEM: u64 = 256 << 20;
const RAW: u64 = 128 << 20;

/// What QEMU cannot show.
const CANNOT: [&str; 4] = [
    "caches: the emulator has none, so that a device's bytes are never hidden by stale lines",
    "timing of DMA: the emulator does it at once",
    "what a disk loses of its own cache when the power goes: the host keeps all that the emulator wrote (make cuts \
     plays that)",
    "throughput: figures of an emulator mean nothing but their ratios",
];

pub struct Emulator<'a> {
    board: &'a Board,
    image: &'a Image,
    folder: PathBuf,
    content: PathBuf,
    disks: [Disk; 2],
}

impl<'a> Emulator<'a> {
    pub fn new(board: &'a Board, image: &'a Image, folder: &Path) -> Result<Self> {
        let content = folder.join("region.bin");
        let size = Machine::new(board, image, folder)
            .own_region(super::steps::REGION)?
            .1;
        fill_with_random(&content, size)?;
        Ok(Self {
            board,
            image,
            folder: folder.to_owned(),
            content,
            disks: [
                Disk::empty(&folder.join("raw.img"), RAW)?,
                Disk::ext4(&folder.join("ext4.img"), FILE_SYSTEM)?.throttled(RATE),
            ],
        })
    }
}

impl Place for Emulator<'_> {
    fn name(&self) -> String {
        let machine = self.board.qemu().map(|qemu| qemu.machine.as_str());
        format!("QEMU, machine {}", machine.unwrap_or_default())
    }

    fn start(&self) -> Result<Guest> {
        let folder = self.folder.join("machine");
        fs::create_dir_all(&folder)?;
        let mut machine = Machine::new(self.board, self.image, &folder);
        machine.disks = self.disks.to_vec();
        machine.tools = true;
        machine.dma_device = true;
        machine.fill(super::steps::REGION, &self.content)?;
        let mut guest = machine.start()?;
        match guest.wait_for_shell() {
            Ok(_) => Ok(guest),
            Err(error) => bail!("{error:#}\n{}", guest.report()),
        }
    }

    fn disk(&self) -> Option<&str> {
        Some("/dev/vda")
    }

    fn folder(&self) -> &str {
        "/mnt"
    }

    fn mount(&self) -> Option<&str> {
        Some("mount -t ext4 /dev/vdb /mnt")
    }

    fn modules(&self) -> &str {
        "/lib"
    }

    fn cannot_show(&self) -> &[&str] {
        &CANNOT
    }
}
