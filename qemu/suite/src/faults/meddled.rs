// SPDX-License-Identifier: MIT
//! Another process changes the file that a dump is written to.
//!
//! Outcome: status 12, and the manifest says that nothing can be trusted. What is overwritten in
//! place is found by `--verify` only.

use anyhow::{Result, ensure};

use super::dump::{Dump, SIZE, Target, ended};
use crate::frame::{Case, Running};

pub fn cases() -> Vec<Case> {
    let file = [Target::File];
    [
        // The file is cut when no request is in flight, and what comes later makes it long again.
        each!(&file, a_cut_is_noticed_in, |bed, dump| {
            meddled(
                bed,
                dump,
                "truncate -s 0 /mnt/dump",
                "ENODATA (61): it was truncated meanwhile, at byte 0x0",
            )
        }),
        each!(&file, a_removal_is_noticed_of, |bed, dump| {
            meddled(bed, dump, "rm /mnt/dump", "ENOENT (2): it was removed, ")
        }),
        each!(&file, a_new_name_is_noticed_of, |bed, dump| {
            meddled(
                bed,
                dump,
                "mv /mnt/dump /mnt/other",
                "ENOENT (2): it was removed, ",
            )
        }),
        each!(&file, another_file_is_noticed_in_place_of, |bed, dump| {
            meddled(
                bed,
                dump,
                "dd if=/dev/resmem/capture of=/mnt/other bs=64K count=1 && mv /mnt/other /mnt/dump",
                "ESTALE (116): it was removed, ",
            )
        }),
        // What looks is the same whatever the engine.
        each!(&file, a_cut_is_noticed_at_a_checkpoint_of, checkpoint)
            .into_iter()
            .take(1)
            .collect(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn meddled(bed: &mut Running, dump: Dump, how: &str, says: &str) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        let output = and_then(bed, dump, how)?;
        ended(
            dump,
            &output,
            12,
            &format!("target was changed meanwhile: TARGET: {says}"),
        )?;
        dump.nothing_is_trusted(bed)?;
        bed.check("rm -f /mnt/other /mnt/dump")?;
        dump.resumes(bed)
    })?;
    dump.holds(bed, SIZE)
}

/// Does something to the file while the dump goes on: it may have to wait for a request.
fn and_then(bed: &mut Running, dump: Dump, how: &str) -> Result<machine::guest::Output> {
    dump.go_slowly(bed)?;
    bed.check(how)?;
    dump.end(bed)
}

/// The checkpoint after the cut takes back what the one before it may have promised.
fn checkpoint(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "--checkpoint 1 -v")?;
        bed.check("truncate -s 0 /mnt/dump & meddler=$!")?;
        dump.go_slowly(bed)?;
        bed.check(
            "until grep -q 'checkpoint: 0 bytes are durable' /tmp/said; do kill -0 $dump || break; done; \
             kill -KILL $dump",
        )?;
        let output = dump.end(bed)?;
        ensure!(output.status == 128 + 9, "{output:?}");
        bed.run("wait $meddler")?;
        dump.nothing_is_trusted(bed)
    })
}
