// SPDX-License-Identifier: MIT
//! A file system that becomes read-only under a dump.
//!
//! | how | outcome |
//! |---|---|
//! | `mount -o remount,ro` | refused by the kernel (`EBUSY`), the dump is complete |
//! | an error in the file system, mounted with `errors=remount-ro` | status 8, nothing is promised; after a check of the file system `--resume` completes it |

use anyhow::{Result, ensure};

use super::dump::{Dump, NO_CHECKPOINT, SIZE, Target};
use crate::frame::{Case, Running};

pub fn cases() -> Vec<Case> {
    [
        each!(
            &[Target::File],
            a_remount_is_refused_during_a_dump_to,
            remount
        ),
        each!(
            &[Target::File],
            an_error_that_freezes_the_file_system_of,
            error
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn remount(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        let output = bed.run("mount -o remount,ro /mnt")?;
        ensure!(
            output.status != 0 && output.text.contains("busy"),
            "{output:?}"
        );
        dump.ends_well(bed)
    })?;
    dump.holds(bed, SIZE)
}

fn error(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        bed.check("mount -o remount,errors=remount-ro /mnt")?;
        dump.begin(bed, NO_CHECKPOINT)?;
        // What a bad inode or bitmap would do. It is written down on the disk.
        bed.check("echo by a test > /sys/fs/ext4/vdb/trigger_fs_error & error=$!")?;
        dump.go_slowly(bed)?;
        bed.run("wait $error")?;
        let output = dump.end(bed)?;
        dump.promises_nothing(bed, &output)
    })?;
    bed.disks()?.ext4.check()?;
    dump.mounted(bed, |bed| dump.resumes(bed))?;
    dump.holds(bed, SIZE)
}
