// SPDX-License-Identifier: MIT
//! A machine to measure in.

use anyhow::{Result, bail};

use super::LABEL;
use crate::run::fill_with_random;
use board::Board;
use board::Image;
use board::devicetree::{Nodes, Region};
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

/// What to measure in: the board with its own region and an empty disk, by default.
pub struct Stage<'a> {
    /// Folders.
    pub paths: &'a Paths,
    /// The board.
    pub board: &'a Board,
    /// What it boots.
    pub image: &'a Image,
    /// One guest instruction is one nanosecond of guest time.
    pub icount: bool,
    /// Bytes of the region, above the kernel's own memory, instead of the board's.
    pub size: Option<u64>,
    /// That region is one that a device writes.
    pub device_writes: bool,
    /// That region is a ring whose device a program plays.
    pub ring: bool,
    /// Bytes per second that the disk takes.
    pub rate: Option<u64>,
    /// The first disk forgets what it is given.
    pub forgets: bool,
    /// There is a second disk, with ext4.
    pub file_system: bool,
    /// What the processor executes can be written down.
    pub traced: bool,
    /// More of the kernel command line.
    pub append: &'a str,
}

/// The region as a ring, on a board whose addresses have two cells.
fn ring(size: u64) -> Nodes {
    Nodes {
        memory: format!("ring: {LABEL}@{size:x} {{ reg = <0x0 {size:#x} 0x0 {size:#x}>; }};"),
        drivers: "ring { compatible = \"resdump,resmem\"; memory-region = <&ring>; \
            resdump,position-kind = \"program\"; resdump,lead-bytes = <65536>; };"
            .to_owned(),
        root: String::new(),
    }
}

impl<'a> Stage<'a> {
    /// The board as it is, at full speed.
    pub fn new(paths: &'a Paths, board: &'a Board, image: &'a Image) -> Self {
        Self {
            paths,
            board,
            image,
            icount: false,
            size: None,
            device_writes: false,
            ring: false,
            rate: None,
            forgets: false,
            file_system: false,
            traced: false,
            append: "",
        }
    }

    /// Boots it, its files in `out/<name>`, and measures: `measure` is given the guest at its prompt
    /// and the region's size.
    pub fn run<T>(
        &self,
        name: &str,
        measure: impl FnOnce(&mut Guest, u64) -> Result<T>,
    ) -> Result<T> {
        let folder = self.paths.fresh_out(name)?;
        let mut machine = Machine::new(self.board, self.image, &folder);
        machine.tools = true;
        machine.icount = self.icount;
        if let Some(size) = self.size {
            // As much again for the kernel, below it.
            machine.memory_mib = Some((2 * size) >> 20);
            let mut region = Region::new(LABEL, size, size);
            region.device_writes = self.device_writes;
            match self.ring {
                true => machine.nodes = Some(ring(size)),
                false => machine.regions = Some(vec![region]),
            }
        }
        let size = match self.size {
            Some(size) => size,
            None => machine.own_region(LABEL)?.1,
        };
        let mut disk = match self.forgets {
            true => Disk::forgetful(2 * size),
            false => Disk::empty(&folder.join("raw.img"), 2 * size)?.unflushed(),
        };
        if let Some(rate) = self.rate {
            disk = disk.throttled(rate);
        }
        machine.disks = vec![disk];
        if self.file_system {
            let disk = Disk::ext4(&folder.join("ext4.img"), 4 * size)?.unflushed();
            machine.disks.push(disk);
        }
        if self.size.is_none() {
            let data = folder.join("capture.bin");
            fill_with_random(&data, size)?;
            machine.fill(LABEL, &data)?;
        }
        (machine.traced, machine.monitor) = (self.traced, self.traced);
        machine.append = self.append.to_owned();
        let mut guest = machine.start()?;
        let result = guest
            .wait_for_shell()
            .and_then(|_| measure(&mut guest, size))
            .and_then(|value| guest.check_health(TAINT_OUT_OF_TREE).map(|()| value));
        match result {
            Ok(value) => {
                guest.power_off()?;
                Ok(value)
            }
            Err(error) => bail!("{error:#}\n{}", guest.report()),
        }
    }
}
