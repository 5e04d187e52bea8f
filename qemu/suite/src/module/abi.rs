// SPDX-License-Identifier: MIT
//! The edges of the ABI: arguments of programs that are older or newer than the module, answers of requests
//! that are refused, and a program in C.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case};

const NODE: &str = "/dev/resmem/capture";
/// What an answer says when nothing was moved, up to the error.
const NOTHING: &str = "moved=0x0 direct=0x0 copied=0x0";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_larger_argument_with_a_tail_of_zeroes_is_taken),
        case!(Low, a_larger_argument_with_something_in_its_tail_is_refused),
        case!(
            Low,
            an_argument_smaller_than_in_the_first_release_is_refused
        ),
        case!(Low, an_answer_into_a_larger_structure_is_filled_with_zeroes),
        case!(
            Low,
            an_argument_that_cannot_be_written_is_refused_before_anything_is_moved
        ),
        case!(Low, a_refused_request_has_its_answer),
        case!(Low, programs_in_c_and_rust_dump_a_region),
    ]
}

/// A dump that must not touch the target, and what must come of it.
fn dump(bed: &mut Running, arguments: &str, expected: &str) -> Result<()> {
    let before = bed.raw_digest(0, 1 << 20)?;
    bed.says(&format!("argument dump {NODE} {arguments}"), expected)?;
    ensure!(
        bed.raw_digest(0, 1 << 20)? == before,
        "the target has changed"
    );
    Ok(())
}

fn a_larger_argument_with_a_tail_of_zeroes_is_taken(bed: &mut Running) -> Result<()> {
    for size in [112, 4000] {
        bed.check("dd if=/dev/zero of=$RAW bs=64k count=1 conv=fsync")?;
        bed.says(
            &format!("argument dump {NODE} --size {size}"),
            "ok moved=0x10000 direct=0x10000 copied=0x0 error=none rest=zero",
        )?;
        bed.raw_holds(0, "capture", 0..0x1_0000)?;
    }
    Ok(())
}

fn a_larger_argument_with_something_in_its_tail_is_refused(bed: &mut Running) -> Result<()> {
    dump(
        bed,
        "--size 112 --tail",
        "E2BIG moved=0x1234 direct=0x1234 copied=0x1234 error=UnknownErrno rest=other",
    )?;
    for command in ["sync", "snapshot"] {
        let call = format!("argument {command} {NODE} --size 4000 --tail");
        bed.says(&call, "E2BIG rest=other")?;
    }
    Ok(())
}

fn an_argument_smaller_than_in_the_first_release_is_refused(bed: &mut Running) -> Result<()> {
    for (command, size) in [
        ("info", 127),
        ("dump", 103),
        ("load", 103),
        ("snapshot", 63),
        ("status", 31),
        ("sync", 39),
    ] {
        let node = if command == "load" {
            "/dev/resmem/scratch"
        } else {
            NODE
        };
        for size in [0, 1, size] {
            let said = bed.probe(&format!("argument {command} {node} --size {size}"))?;
            ensure!(said.starts_with("EINVAL "), "{command} {size}: {said}");
        }
    }
    Ok(())
}

fn an_answer_into_a_larger_structure_is_filled_with_zeroes(bed: &mut Running) -> Result<()> {
    bed.says(
        &format!("argument info {NODE} --size 4000"),
        "ok abi=7 rest=zero",
    )?;
    bed.says(
        &format!("argument status {NODE} --size 33"),
        "ok state=0 rest=zero",
    )
}

fn an_argument_that_cannot_be_written_is_refused_before_anything_is_moved(
    bed: &mut Running,
) -> Result<()> {
    let before = "moved=0x1234 direct=0x1234 copied=0x1234 error=UnknownErrno";
    dump(bed, "--read-only", &format!("EFAULT {before} rest=none"))
}

fn a_refused_request_has_its_answer(bed: &mut Running) -> Result<()> {
    dump(
        bed,
        "--region-offset 0x10000000000",
        &format!("ERANGE {NOTHING} error=ERANGE rest=none"),
    )?;
    bed.says(
        "argument dump /dev/resmem/scratch --write-only",
        &format!("EBADF {NOTHING} error=EBADF rest=none"),
    )
}

/// The examples, of the header for C and of the client crate.
fn programs_in_c_and_rust_dump_a_region(bed: &mut Running) -> Result<()> {
    let size = bed.size("capture")?;
    bed.mounted(|bed| {
        for (program, region, wrong) in [
            ("resmem-c-dump", NODE, "/dev/null"),
            ("resmem-rust-dump", "capture", "../null"),
        ] {
            let said = bed.check(&format!("{program} {region} /mnt/{program}"))?;
            ensure!(
                said.trim() == format!("capture: {size} bytes, {size} direct, 0 copied"),
                "{said}"
            );
            let output = bed.run(&format!("cmp {NODE} /mnt/{program}"))?;
            ensure!(output.status == 0, "{output:?}");
            for wrong in [format!("{wrong} /mnt/d"), format!("{region} /nosuch/d")] {
                let output = bed.run(&format!("{program} {wrong}"))?;
                ensure!(output.status == 1, "{program} {wrong}: {output:?}");
            }
        }
        Ok(())
    })
}
