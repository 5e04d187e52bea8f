// SPDX-License-Identifier: MIT
//! A bad sector under the first, a middle and the last request.
//!
//! | engine | outcome |
//! |---|---|
//! | kernel, mmap, read | status 8, the requests before it are on the target (but for those that it was joined with on the way), `--resume` completes it |
//! | devmem | status 8 when the page cache is flushed, nothing is promised |

use anyhow::{Result, ensure};
use board::Need;
use machine::monitor::Fault;

use super::dump::{CHUNK, Dump, SIZE, Target, ended};
use super::room::prefix;
use crate::frame::{Case, Running, case};

/// Requests of the dump.
const REQUESTS: u64 = SIZE / CHUNK;

pub fn cases() -> Vec<Case> {
    let both = [Target::Disk, Target::File];
    [
        vec![
            case!(Faults, a_checkpoint_that_fails_on_a_raw_disk, checkpoint)
                .of("devmem")
                .needs(Need::DevMem),
        ],
        each!(
            &both,
            a_bad_sector_under_the_first_request_to,
            |bed, dump| bad_sector(bed, dump, 0)
        ),
        each!(
            &both,
            a_bad_sector_under_a_middle_request_to,
            |bed, dump| bad_sector(bed, dump, REQUESTS / 2)
        ),
        each!(
            &both,
            a_bad_sector_under_the_last_request_to,
            |bed, dump| bad_sector(bed, dump, REQUESTS - 1)
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn bad_sector(bed: &mut Running, dump: Dump, request: u64) -> Result<()> {
    let byte = request * CHUNK + CHUNK / 2 + 512;
    let bad = match dump.target {
        Target::Disk => {
            dump.afresh(bed, |_| Ok(()))?;
            byte
        }
        Target::File => place(bed, dump, byte)?,
    };
    let disk = dump.target.disk();
    let output = dump.mounted(bed, |bed| {
        bed.guest.monitor()?.inject(disk, Fault::Sector(bad))?;
        let output = dump.run(bed, "--force");
        bed.guest.monitor()?.heal(disk)?;
        output
    })?;
    let bad_one = request * CHUNK;
    if dump.is_buffered() {
        let says = "cannot sync: TARGET: EIO (5): do not trust what is on the target";
        ended(dump, &output, 8, says)?;
    } else {
        ended(
            dump,
            &output,
            8,
            "dump incomplete: TARGET: EIO (5): see the kernel log, the medium may be bad; ",
        )?;
        let reported = prefix(&output.text)?;
        // Two are in flight; the driver or QEMU may have joined them into one, which fails then.
        ensure!(
            reported == bad_one || reported + CHUNK == bad_one,
            "{reported} of {bad_one}"
        );
        if reported > 0 {
            dump.holds(bed, reported)?;
        }
    }
    dump.mounted(bed, |bed| dump.resumes(bed))?;
    dump.holds(bed, SIZE)
}

/// The kernel reports a write-back that failed once. The dump's end is not the first to ask.
/// The other engines get the error of the sector at once.
fn checkpoint(bed: &mut Running) -> Result<()> {
    let dump = Dump {
        engine: "devmem",
        target: Target::Disk,
    };
    let disk = dump.target.disk();
    dump.afresh(bed, |_| Ok(()))?;
    bed.guest.monitor()?.inject(disk, Fault::Sector(0))?;
    dump.begin(bed, "--checkpoint 1")?;
    dump.go_slowly(bed)?;
    bed.check("until grep -q 'no checkpoint' /tmp/said; do :; done")?;
    let output = dump.end(bed);
    bed.guest.monitor()?.heal(disk)?;
    let says = "cannot sync: TARGET: EIO (5): do not trust what is on the target";
    ended(dump, &output?, 8, says)?;
    dump.nothing_is_trusted(bed)?;
    dump.resumes(bed)?;
    dump.holds(bed, SIZE)
}

/// Where on the disk a byte of the file comes to lie: where it is when the same file is written to
/// the same file system before. What is removed is free again when it is unmounted.
fn place(bed: &mut Running, dump: Dump, byte: u64) -> Result<u64> {
    dump.afresh(bed, |_| Ok(()))?;
    dump.mounted(bed, |bed| bed.check(&dump.command("")))?;
    let place = bed.disks()?.ext4.place_of("dump", byte)?;
    dump.afresh(bed, |_| Ok(()))?;
    Ok(place)
}
