// SPDX-License-Identifier: MIT
//! A disk that goes away under a dump.
//!
//! QEMU refuses `device_del` on the root bus of these machines. Two faults stand for it: a disk that
//! answers each request with an error from some instant on, flushes included (blkdebug, put in while
//! the machine runs), as a controller does whose disk is gone; and the removal of the controller from
//! the PCI bus, as a driver sees a hot-unplug.
//!
//! Outcome: status 8; what was acknowledged is there when the disk is, and nothing is promised of it
//! if it could not be flushed; back again, the dump goes on with `--resume`.

use anyhow::Result;
use harness::monitor::Fault;

use super::dump::{Dump, SIZE, Target, ended};
use super::each;
use crate::bed::{Cell, Running};

pub fn cells() -> Vec<Cell> {
    let both = [Target::Disk, Target::File];
    [
        each(&both, "a_disk_that_dies_under", dies),
        each(&both, "a_disk_that_is_removed_under", removed),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn dies(bed: &mut Running, dump: Dump) -> Result<()> {
    let disk = dump.target.disk();
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        bed.guest.monitor()?.inject(disk, Fault::All)?;
        let output = dump.end(bed);
        bed.guest.monitor()?.heal(disk)?;
        dump.promises_nothing(bed, &output?)
    })?;
    if dump.target == Target::File {
        bed.ext4.check()?;
    }
    dump.mounted(bed, |bed| dump.goes_on(bed))?;
    dump.holds(bed, SIZE)
}

fn removed(bed: &mut Running, dump: Dump) -> Result<()> {
    let device = match dump.target {
        Target::Disk => "vda",
        Target::File => "vdb",
    };
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        // It waits for what is in flight, and the dump must not be at its end before.
        bed.check(&format!(
            "echo 1 > /sys/block/{device}/device/../remove & removal=$!"
        ))?;
        dump.go_slowly(bed)?;
        bed.run("wait $removal")?;
        let output = dump.end(bed)?;
        if dump.target == Target::Disk {
            ended(
                dump,
                &output,
                8,
                "dump incomplete: TARGET: ENODEV (19): the device is gone; ",
            )?;
        }
        dump.promises_nothing(bed, &output)
    })?;
    bed.check("echo 1 > /sys/bus/pci/rescan")?;
    bed.check(&format!("test -b /dev/{device}"))?;
    if dump.target == Target::File {
        bed.ext4.check()?;
    }
    dump.mounted(bed, |bed| dump.goes_on(bed))?;
    dump.holds(bed, SIZE)
}
