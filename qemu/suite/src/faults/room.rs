// SPDX-License-Identifier: MIT
//! A target that has less room than it seemed.
//!
//! Outcome, whatever the engine: status 7, and what there was room for is on the target, to the byte
//! also where that is part of a request; room made, `--resume` completes it.

use anyhow::{Context, Result, ensure};

use super::dump::{CHUNK, Dump, SIZE, Target, ended};
use crate::frame::{Case, Running, SMALL, case, same};

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
    .chain([case!(
        Faults,
        an_ext4_without_a_block_for_its_extents_reports_lost_data
    )])
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
        let output = dump.run(bed, "--partial")?;
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
    same(&bed.disks()?.small.read(0, SMALL)?, expected)
}

/// Of the kernel, not of the dumper: board/common/linux/patches/0006 and its cover letter.
///
/// Every other 64 KiB of a preallocated file are written. Its extent must be split for that, and no block is left for
/// the tree. Without the patch `fsync` succeeds, and what it flushed is overwritten by zeroes.
fn an_ext4_without_a_block_for_its_extents_reports_lost_data(bed: &mut Running) -> Result<()> {
    let reserve = "/sys/fs/ext4/vdb/reserved_clusters";
    let last = bed.mounted(|bed| {
        bed.check(&format!(
            "rm -f /mnt/dump; fallocate -l 2M /mnt/split; truncate -s 2M /tmp/expected; \
             dd if=/dev/urandom of=/tmp/half bs=64k count=1; \
             kept=$(cat {reserve}); echo 0 > {reserve}; sync; \
             for try in 1 2 3; do fallocate -l 1G /mnt/filler; sync; done 2> /dev/null"
        ))?;
        // The last of them flushes all.
        bed.check(
            "half() { dd if=/tmp/half of=$1 bs=64k seek=$at conv=notrunc$2; }; at=0; \
             while test $at -lt 30; do half /mnt/split && half /tmp/expected || break; at=$((at + 2)); done; \
             half /tmp/expected",
        )?;
        let last = bed.run("half /mnt/split ,fsync")?;
        bed.check(&format!("rm /mnt/filler; echo $kept > {reserve}"))?;
        Ok(last)
    })?;
    let compared = bed.mounted(|bed| {
        bed.run("cmp /mnt/split /tmp/expected; same=$?; rm /mnt/split; (exit $same)")
    })?;
    bed.check("rm /tmp/half /tmp/expected")?;
    ensure!(
        last.status != 0 && compared.status != 0 && last.text.contains("No space left on device"),
        "the tree had a block, or fsync did not report: {last:?}, {compared:?}"
    );
    Ok(())
}
