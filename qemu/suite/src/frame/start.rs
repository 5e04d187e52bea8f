// SPDX-License-Identifier: MIT
//! How a machine that tests share is started.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use board::Board;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::disk::Disk;
use machine::guest::Guest;
use machine::{Boot, Machine};

use super::bed::{Bed, board, image, instead};
use super::canaries;
use super::pool;
use super::regions;
use super::running::Running;

/// Size of the raw disk.
const RAW: u64 = 160 << 20;
/// Size of the small disk: not a multiple of the default chunk.
pub const SMALL: u64 = labs::run::SMALL;

/// Where the files of a board's machines are, below the output folder.
pub fn folder(board: &Board) -> String {
    match instead() {
        Some(flavour) => format!("suite/{}-{flavour}", board.name),
        None => format!("suite/{}", board.name),
    }
}

/// The same of one machine, or of one test.
pub fn below(board: &Board, name: &str) -> String {
    format!("{}/{name}", folder(board))
}

/// The name of a machine's folder: with a number where an earlier one of the same kind has failed, whose console is
/// kept.
fn name_of_start(bed: Bed) -> String {
    static STARTS: Mutex<BTreeMap<Bed, u32>> = Mutex::new(BTreeMap::new());
    let mut starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = starts.entry(bed).or_insert(0);
    *number += 1;
    match *number {
        1 => bed.name().to_owned(),
        number => format!("{}-{number}", bed.name()),
    }
}

impl pool::Machine for Running {
    type Key = Bed;

    fn start(bed: Bed) -> Result<Self> {
        start(bed)
    }

    fn used_by_this_test(&self) {
        self.guest.used_by_this_test();
    }

    fn end(self) -> Result<()> {
        let status = self.guest.power_off()?;
        ensure!(status.success(), "QEMU ended with {status}");
        // Its console stays; what it had on disks and in memory is large.
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|it| it == "img" || it == "bin")
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn start(bed: Bed) -> Result<Running> {
    let paths = Paths::discover()?;
    let board = board(&paths)?;
    let image = image(&paths, &board, bed.flavour())?;
    let folder = paths.fresh_out(&below(&board, &name_of_start(bed)))?;

    let mut raw = Disk::empty(&folder.join("raw.img"), RAW)?;
    if bed == Bed::Slow {
        raw = raw.throttled(40_000_000);
    }
    let mut ext4 = Disk::ext4_with(&folder.join("ext4.img"), 256 << 20, bed.features())?;
    let mut small = Disk::empty(&folder.join("small.img"), SMALL)?;
    if bed == Bed::Dma {
        small = small.slow_to_read(400_000);
    }
    if bed == Bed::Fuzz {
        [raw, ext4, small] = [raw, ext4, small].map(Disk::unflushed);
    }
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.monitor = bed == Bed::Faults;
    machine.maps_dma = bed == Bed::Dma;
    machine.append = bed.append().to_owned();
    machine.cpus = match bed {
        // Nothing races on one processor.
        _ if board.is_detector() => board.qemu()?.cpus_max.min(2),
        Bed::Low | Bed::Faults | Bed::Fuzz => board.qemu()?.cpus_max.min(2),
        _ => 1,
    };
    machine.memory_mib = bed.memory_mib();
    let page = board.page();
    if let Some(regions) = regions::of(bed, page) {
        // Tests that use a region which the machine cannot have need a device node.
        machine.set_regions(regions);
    }
    machine.disks = vec![raw.clone(), ext4.clone(), small.clone()];
    let system = match bed {
        Bed::Disk => Some(system_disk(&mut machine)?),
        _ => None,
    };

    let filled: BTreeMap<String, u64> = match &machine.regions {
        Some(regions) => regions
            .iter()
            .map(|region| (region.driver_label().to_owned(), region.size))
            .collect(),
        None => [("capture".to_owned(), machine.own_region("capture")?.1)].into(),
    };
    let mut content = BTreeMap::new();
    for (label, size) in filled {
        if bed == Bed::Fuzz && label == canaries::OVERLAPPING {
            continue;
        }
        let file = folder.join(format!("{label}.bin"));
        match bed {
            Bed::Fuzz => fs::write(&file, canaries::content(&label, size))?,
            _ => fill_with_random(&file, size)?,
        }
        machine.fill(&label, &file)?;
        content.insert(label, fs::read(&file)?);
    }
    let mut guest = machine.start()?;
    let shell = match machine.boot {
        Boot::Loader => through_the_loader(&mut guest, &board),
        _ => guest.wait_for_shell().map(|_| ()),
    };
    let ready = shell.and_then(|()| match bed.provokes() {
        // What the kernel says about the faults would be between what others say.
        true => guest.check("dmesg -n 3").map(|_| ()),
        false => Ok(()),
    });
    let bases = match ready.and_then(|()| machine.bases(&mut guest)) {
        Ok(bases) => bases,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    Ok(Running {
        guest,
        raw,
        ext4,
        small,
        system,
        content,
        page,
        board,
        bed,
        folder,
        bases,
    })
}

/// Size of the medium that the system disk is written to.
pub const MEDIUM: u64 = 512 << 20;

/// Puts the image's disk before the others, and makes the machine start from it.
fn system_disk(machine: &mut Machine<'_>) -> Result<Disk> {
    let path = machine.folder.join("system.img");
    let disk = Disk::image(&path, &machine.image.file("sdcard.img"), MEDIUM)?;
    machine.disks.insert(0, disk.clone());
    machine.boot = match machine.board.qemu()?.loader {
        Some(_) => Boot::Loader,
        None => Boot::Disk,
    };
    machine.tools = false;
    Ok(disk)
}

fn through_the_loader(guest: &mut Guest, board: &Board) -> Result<()> {
    guest.stop_boot_loader()?;
    guest.boot_loader("version")?;
    let line = board.qemu()?.loader_boot.as_deref();
    guest.leave_boot_loader(line.context("board.conf: LOADER_BOOT is missing")?)?;
    guest.wait_for_shell()?;
    Ok(())
}
