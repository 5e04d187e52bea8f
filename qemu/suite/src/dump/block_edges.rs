// SPDX-License-Identifier: MIT
//! Ranges that begin or end within a block of the target arrive to the byte, and touch nothing else.

use anyhow::{Context, Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

const NODE: &str = "/dev/resmem/capture";
/// Direct I/O to the disks is in multiples of this.
const BLOCK: usize = 512;

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_file_of_one_byte, |bed| file(bed, 1)),
        case!(Low, a_file_one_byte_short_of_a_block, |bed| {
            file(bed, BLOCK - 1)
        }),
        case!(Low, a_file_one_byte_longer_than_blocks, |bed| {
            file(bed, 9000 * BLOCK + 1)
        }),
        case!(Low, a_file_one_byte_short_of_pages, |bed| {
            file(bed, (5 << 20) - 1)
        }),
        case!(Low, a_disk_range_within_one_block, |bed| disk(bed, 100, 10)),
        case!(Low, a_disk_range_across_two_blocks, |bed| {
            disk(bed, BLOCK - 1, 2)
        }),
        case!(Low, a_disk_range_with_head_and_tail, |bed| {
            disk(bed, 4096 + 77, (3 << 20) + 5)
        }),
        case!(Low, a_disk_range_with_a_head_only, |bed| {
            disk(bed, 4096 + 77, (1 << 20) - 77)
        }),
        case!(Low, a_load_with_head_and_tail).needs(Need::Filled),
        case!(Low, a_load_from_a_file_that_ends),
    ]
}

/// What is said of a complete transfer of `length` bytes, `copied` of them through a bounce buffer.
fn said(length: usize, copied: usize) -> String {
    let direct = length - copied;
    format!("ok moved={length} direct={direct} copied={copied} error=UnknownErrno")
}

fn file(bed: &mut Running, length: usize) -> Result<()> {
    bed.mounted(|bed| {
        bed.says(
            &format!("transfer dump {NODE} /mnt/edge --mode wcd --length {length}"),
            &said(length, length % BLOCK),
        )
    })?;
    bed.file_holds("edge", "capture", 0..length as u64)?;
    bed.mounted(|bed| bed.check("rm /mnt/edge"))?;
    Ok(())
}

fn disk(bed: &mut Running, at: usize, length: usize) -> Result<()> {
    const AREA: usize = 8 << 20;
    // Not a value that an empty disk has.
    bed.check(
        "tr '\\0' '\\252' < /dev/zero | dd of=$RAW bs=1M count=8 iflag=fullblock conv=fsync",
    )?;
    let head = (at.next_multiple_of(BLOCK) - at).min(length);
    let tail = (at + length) % BLOCK;
    let copied = if head == length { head } else { head + tail };
    // The head shifts the body within the region: its addresses suit a disk that asks for no more
    // than a multiple of 4, or are copied as well.
    let answer = bed.probe(&format!(
        "transfer dump {NODE} $RAW --file-offset {at} --length {length}"
    ))?;
    ensure!(
        answer == said(length, copied) || answer == said(length, length),
        "{answer}"
    );
    let end = at + length;
    let next_to_it = "bytes next to the range have changed";
    bed.raw_is(0, &vec![0o252; at]).context(next_to_it)?;
    bed.raw_is(end as u64, &vec![0o252; AREA - end])
        .context(next_to_it)?;
    bed.raw_holds(at as u64, "capture", 0..length as u64)
}

fn a_load_with_head_and_tail(bed: &mut Running) -> Result<()> {
    let (at, offset, length) = (1000, 4097, 100_003);
    // For the way back, so that other tests find the region as it was.
    bed.check("resdump dump scratch $RAW --seek 80M --engine kernel --force --quiet")?;
    bed.check("resdump dump capture $RAW --engine kernel --force --quiet")?;
    bed.check("probe transfer load /dev/resmem/scratch $RAW --mode rd --node-write --length 0x100000 --file-offset 0x200000")?;
    bed.says(
        &format!(
            "transfer load /dev/resmem/scratch $RAW --mode rd --node-write \
             --file-offset {at} --region-offset {offset} --length {length}"
        ),
        &said(length, length),
    )?;
    bed.check("resdump dump scratch $RAW --seek 64M --engine kernel --force --quiet")?;
    let capture = bed.expected("capture")?;
    let mut expected = capture[2 << 20..3 << 20].to_vec();
    expected[offset..offset + length].copy_from_slice(&capture[at..at + length]);
    bed.check("probe transfer load /dev/resmem/scratch $RAW --mode rd --node-write --length 0x100000 --file-offset 0x5000000")?;
    bed.raw_is(64 << 20, &expected)
}

/// Within a block, and at once.
fn a_load_from_a_file_that_ends(bed: &mut Running) -> Result<()> {
    let load = "transfer load /dev/resmem/scratch /mnt/short --mode rd --node-write --length 200";
    bed.mounted(|bed| {
        // What is there already, so that other tests find the region as it was.
        bed.check("dd if=/dev/resmem/scratch of=/mnt/short bs=100 count=1")?;
        bed.says(load, "ok moved=100 direct=0 copied=100 error=ENODATA")?;
        bed.says(&format!("{load} --file-offset 100"), "ENODATA")
    })
}
