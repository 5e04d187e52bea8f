// SPDX-License-Identifier: MIT
//! How a machine that tests share is started.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use board::Board;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::disk::Disk;
use machine::guest::Guest;
use machine::{Boot, Machine};

use super::bed::{Bed, board, image, target};
use super::canaries;
use super::folders::{below, name_of_start};
use super::on_lab;
use super::pool;
use super::regions;
use super::running::{Disks, Running};

/// Size of the raw disk.
const RAW: u64 = 160 << 20;
/// Size of the small disk: not a multiple of the default chunk.
pub const SMALL: u64 = labs::run::SMALL;

impl pool::Machine for Running {
    type Key = Bed;

    fn start(bed: Bed) -> Result<Self> {
        match target()? {
            Some(lab) => on_lab::start(bed, &lab),
            None => start(bed),
        }
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
    let ready = ready.and_then(|()| guest.check(&names(system.is_some())).map(|_| ()));
    let bases = match ready.and_then(|()| machine.bases(&mut guest)) {
        Ok(bases) => bases,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    Ok(Running {
        guest,
        disks: Some(Disks {
            raw,
            ext4,
            small,
            system,
        }),
        sizes: content
            .iter()
            .map(|(label, bytes)| (label.clone(), bytes.len() as u64))
            .collect(),
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

/// The command that gives the disks their names; the one that the system was started from comes first.
fn names(system: bool) -> String {
    match system {
        true => "export DATA=/dev/vda3 RAW=/dev/vdb EXT4=/dev/vdc SMALL=/dev/vdd".to_owned(),
        false => "export RAW=/dev/vda EXT4=/dev/vdb SMALL=/dev/vdc".to_owned(),
    }
}

fn through_the_loader(guest: &mut Guest, board: &Board) -> Result<()> {
    guest.stop_boot_loader()?;
    guest.boot_loader("version")?;
    let line = board.qemu()?.loader_boot.as_deref();
    guest.leave_boot_loader(line.context("board.conf: LOADER_BOOT is missing")?)?;
    guest.wait_for_shell()?;
    Ok(())
}
