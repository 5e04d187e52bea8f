// SPDX-License-Identifier: MIT
//! A disk that goes away under a dump.
//!
//! QEMU refuses `device_del` on the root bus of these machines. Two faults stand for it: a disk that
//! answers each request with an error from some instant on, flushes included (blkdebug, put in while
//! the machine runs), as a controller does whose disk is gone; and the removal of the controller from
//! the PCI bus, as a driver sees a hot-unplug.
//!
//! Outcome: status 8; what was acknowledged is there when the disk is, and nothing is promised of it
//! if it could not be flushed; back again, `--resume` completes the dump. A dump through the page
//! cache may be complete, for a removal waits until it is written back.

use anyhow::{Context, Result, ensure};
use machine::monitor::Fault;

use super::dump::{Dump, NO_CHECKPOINT, SIZE, Target, ended};
use crate::frame::{Case, Running};

pub fn cases() -> Vec<Case> {
    let both = [Target::Disk, Target::File];
    [
        each!(&both, a_disk_that_dies_under, dies),
        each!(&both, a_disk_that_is_removed_under, removed),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn dies(bed: &mut Running, dump: Dump) -> Result<()> {
    let disk = dump.target.disk();
    dump.afresh(bed, |bed| {
        dump.begin(bed, NO_CHECKPOINT)?;
        bed.guest.monitor()?.inject(disk, Fault::All)?;
        let output = dump.end(bed);
        bed.guest.monitor()?.heal(disk)?;
        dump.promises_nothing(bed, &output?)
    })?;
    if dump.target == Target::File {
        bed.disks()?.ext4.check()?;
    }
    dump.mounted(bed, |bed| dump.resumes(bed))?;
    dump.holds(bed, SIZE)
}

fn removed(bed: &mut Running, dump: Dump) -> Result<()> {
    let device = match dump.target {
        Target::Disk => "vda",
        Target::File => "vdb",
    };
    bed.check("dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync")?;
    let promised = dump.afresh(bed, |bed| {
        dump.begin(bed, NO_CHECKPOINT)?;
        // It waits for what is in flight, and the dump is not at its end meanwhile.
        dump.go_slowly(bed)?;
        bed.check(&format!("echo 1 > /sys/block/{device}/device/../remove"))?;
        let output = dump.end(bed)?;
        if dump.is_buffered() && output.status == 0 {
            // The kernel writes back what the page cache has before the disk goes, and what a dump
            // adds meanwhile.
            dump.is_complete(bed)?;
            return Ok(SIZE);
        }
        if dump.target == Target::Disk {
            // The page cache may have taken everything before the disk is missed.
            let says = match dump.engine {
                "devmem" if output.text.contains("cannot sync") => {
                    "cannot sync: TARGET: EIO (5): do not trust what is on the target"
                }
                _ => "dump incomplete: TARGET: ENODEV (19): the device is gone; ",
            };
            ended(dump, &output, 8, says)?;
            return promises(bed, dump);
        }
        dump.promises_nothing(bed, &output)?;
        Ok(0)
    })?;
    bed.check("echo 1 > /sys/bus/pci/rescan")?;
    bed.check(&format!("test -b /dev/{device}"))?;
    if dump.target == Target::File {
        bed.disks()?.ext4.check()?;
    }
    if promised > 0 {
        dump.holds(bed, promised)?;
    }
    dump.mounted(bed, |bed| dump.resumes(bed))?;
    dump.holds(bed, SIZE)
}

/// Bytes that an incomplete dump promises: the last flush may have come through before the disk was gone.
fn promises(bed: &mut Running, dump: Dump) -> Result<u64> {
    let manifest = dump.manifest(bed)?;
    ensure!(manifest["complete"] == false, "{manifest}");
    manifest["bytes"].as_u64().context("no bytes")
}
