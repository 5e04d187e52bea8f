// SPDX-License-Identifier: MIT
//! A target that has less room than it seemed.
//!
//! Outcome, whatever the engine: status 7, and what there was room for is on the target, to the byte
//! also where that is part of a request; room made, `--resume` completes it.

use anyhow::{Context, Result, ensure};

use super::dump::{CHUNK, Dump, SIZE, Target, ended};
use crate::frame::{Case, Running, SMALL, same};

pub fn cases() -> Vec<Case> {
    [
        each!(
            &[Target::File],
            a_file_system_that_another_writer_fills_under,
            filled_meanwhile
        ),
        each!(
            &[Target::File],
            a_file_system_with_room_for_a_part_of,
            room_for_a_part
        ),
        each!(
            &[Target::Disk],
            a_disk_that_ends_within_a_request,
            too_short
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Takes what is free on /mnt, `left` KiB excepted.
fn fill(file: &str, left: u64) -> String {
    format!(
        "free=$(df -k /mnt | awk 'END {{ print $4 }}'); fallocate -l $(((free - {left}) << 10)) /mnt/{file}"
    )
}

/// A file with holes has no room of its own.
fn filled_meanwhile(bed: &mut Running, dump: Dump) -> Result<()> {
    let output = dump.afresh(bed, |bed| {
        // Most of it before: so much at once would have to wait for the disk.
        bed.check(&fill("filler", SIZE / 512))?;
        dump.begin(bed, "--zero-skip")?;
        // The last of it makes the file system write its journal.
        bed.check(&format!("{{ {}; }} & filler=$!", fill("last", 100)))?;
        dump.go_slowly(bed)?;
        bed.run("wait $filler")?;
        let output = dump.end(bed)?;
        bed.check("rm /mnt/filler /mnt/last")?;
        Ok(output)
    })?;
    full(bed, dump, &output)
}

fn room_for_a_part(bed: &mut Running, dump: Dump) -> Result<()> {
    let output = dump.afresh(bed, |bed| {
        bed.check(&fill("filler", SIZE / 2048))?;
        let output = bed.run(&dump.command("--partial"))?;
        bed.check("rm /mnt/filler")?;
        Ok(output)
    })?;
    full(bed, dump, &output)
}

fn full(bed: &mut Running, dump: Dump, output: &machine::guest::Output) -> Result<()> {
    ended(
        dump,
        output,
        7,
        "dump incomplete: TARGET: ENOSPC (28): the target is full; ",
    )?;
    let reported = prefix(&output.text)?;
    ensure!(CHUNK < reported && reported < SIZE, "{}", output.text);
    dump.holds(bed, reported)?;
    dump.mounted(bed, |bed| dump.resumes(bed))?;
    dump.holds(bed, SIZE)
}

/// `… 1310720 of 8388608 bytes are on the target …`
pub fn prefix(text: &str) -> Result<u64> {
    let before = text.split_once(&format!(" of {SIZE} bytes are on the target"));
    let number = before.and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    number.with_context(|| format!("no prefix in {text:?}"))
}

fn too_short(bed: &mut Running, dump: Dump) -> Result<()> {
    let output = bed.run(&format!(
        "resdump dump capture /dev/vdc --engine {} --chunk {CHUNK} --partial --quiet",
        dump.engine
    ))?;
    ensure!(
        output.status == 7
            && output
                .text
                .contains("dump incomplete: /dev/vdc: ENOSPC (28): the target is full; ")
            && prefix(&output.text)? == SMALL,
        "{output:?}"
    );
    let expected = &bed.expected("capture")?[..SMALL as usize];
    same(&bed.small.read(0, SMALL)?, expected)
}
