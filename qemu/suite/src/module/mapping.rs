// SPDX-License-Identifier: MIT
//! Mappings: what they may do, what they show, and what they refuse.

use anyhow::{Context, Result, ensure};

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_mapping_can_be_written_with_o_direct),
        case!(Low, a_mapping_can_be_spliced, |bed| splice(bed, "odd")),
        case!(High, a_mapping_can_be_spliced, |bed| {
            splice(bed, "highscratch")
        }),
        case!(Low, a_store_is_seen_by_a_dump),
        case!(Low, a_mapping_counts_as_memory_of_the_process, |bed| {
            let resident = |bed: &mut Running, length: u64| -> Result<u64> {
                let said = bed.probe(&format!(
                    "map /dev/resmem/capture --length {length:#x} resident"
                ))?;
                let kib = said.strip_prefix("ok kib=").context(said.clone())?;
                Ok(kib.parse()?)
            };
            // Which nothing else can be done about: see docs/explanation/engine.md.
            let (one, many) = (resident(bed, 64 << 10)?, resident(bed, 16 << 20)?);
            ensure!(many >= one + (15 << 10), "{one} KiB and {many} KiB");
            Ok(())
        }),
        case!(Low, a_writable_mapping_of_a_read_only_region, |bed| {
            map(bed, "capture --prot rw", "EACCES")
        }),
        case!(Low, a_private_writable_mapping, |bed| {
            map(bed, "scratch --prot rw --private --node-write", "EACCES")
        }),
        case!(Low, an_executable_mapping, |bed| {
            map(bed, "capture --prot rx", "EACCES")
        }),
        case!(Low, making_a_read_only_mapping_writable, |bed| {
            map_then(bed, "capture", "mprotect", "EACCES")
        }),
        case!(Low, making_a_private_mapping_writable, |bed| {
            map_then(bed, "capture --private", "mprotect", "EACCES")
        }),
        case!(Low, making_a_mapping_longer, |bed| {
            map_then(bed, "capture", "mremap", "EFAULT")
        }),
        case!(Low, writing_to_a_mapping_as_a_debugger, |bed| {
            map_then(bed, "capture", "proc-mem", "EIO")
        }),
        case!(Low, writing_to_a_private_mapping_as_a_debugger, |bed| {
            map_then(bed, "capture --private", "proc-mem", "EIO")
        }),
        case!(Low, a_mapping_longer_than_the_region, |bed| {
            map(bed, "capture --length 0x4001000", "EINVAL")
        }),
        case!(Low, a_mapping_that_starts_at_the_end, |bed| {
            map(bed, "capture --offset 0x4000000", "EINVAL")
        }),
        case!(Low, a_mapping_that_starts_far_beyond_the_end, |bed| {
            map(bed, "capture --offset 0x7fff0000", "EINVAL")
        }),
        case!(Low, a_mapping_of_the_last_page, |bed| {
            let last = bed.size("capture")? - bed.page;
            map(bed, &format!("capture --offset {last}"), "ok")
        }),
    ]
}

fn map(bed: &mut Running, arguments: &str, expected: &str) -> Result<()> {
    bed.says(&format!("map /dev/resmem/{arguments}"), expected)
}

fn map_then(bed: &mut Running, arguments: &str, then: &str, expected: &str) -> Result<()> {
    bed.says(&format!("map /dev/resmem/{arguments} {then}"), expected)
}

fn a_mapping_can_be_written_with_o_direct(bed: &mut Running) -> Result<()> {
    let size = bed.size("odd")?;
    bed.says(
        &format!("map /dev/resmem/odd --length {size} direct $RAW"),
        &format!("ok written={size}"),
    )?;
    bed.raw_holds_all(0, "odd")
}

fn splice(bed: &mut Running, label: &str) -> Result<()> {
    let expected = bed.expected(label)?;
    let sum: u64 = expected.iter().map(|byte| u64::from(*byte)).sum();
    let length = expected.len();
    let said = bed.probe(&format!(
        "map /dev/resmem/{label} --length {length} vmsplice"
    ))?;
    ensure!(said == format!("ok sum={sum}"), "{said}, expected {sum}");
    Ok(())
}

fn a_store_is_seen_by_a_dump(bed: &mut Running) -> Result<()> {
    let mut expected = bed.expected("scratch")?.to_vec();
    let byte = expected[0x1_0000] ^ 0xff;
    bed.says(
        &format!("map /dev/resmem/scratch --offset 0x10000 --prot rw --node-write store {byte}"),
        "ok",
    )?;
    bed.dump("scratch $RAW --engine kernel")?;
    expected[0x1_0000] = byte;
    bed.raw_is(0, &expected)?;
    // As it was, for the tests that follow.
    let byte = byte ^ 0xff;
    bed.says(
        &format!("map /dev/resmem/scratch --offset 0x10000 --prot rw --node-write store {byte}"),
        "ok",
    )
}
