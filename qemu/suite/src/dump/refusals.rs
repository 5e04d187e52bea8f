// SPDX-License-Identifier: MIT
//! Bad input: the right error, and nothing changed on the target.

use anyhow::{Result, ensure};
use board::Need;

use crate::frame::{Case, Running, SMALL, case, same};

const NODE: &str = "/dev/resmem/capture";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, an_unknown_region),
        case!(Low, a_range_beyond_the_end, |bed| {
            transfer(bed, "--region-offset 0x3fff000 --length 0x2000", "ERANGE")
        }),
        case!(Low, an_offset_beyond_the_end, |bed| {
            transfer(bed, "--region-offset 0x4000000 --length 0x1000", "ERANGE")
        }),
        case!(Low, an_offset_above_32_bits, |bed| {
            transfer(bed, "--region-offset 0x100000000 --length 0x1000", "ERANGE")
        }),
        case!(Low, a_range_that_wraps_32_bits, |bed| {
            transfer(bed, "--region-offset 0x1000 --length 0xfffff000", "ERANGE")
        }),
        case!(Low, a_range_that_wraps_64_bits, |bed| {
            transfer(
                bed,
                "--region-offset 0xfffffffffffff000 --length 0x2000",
                "EOVERFLOW",
            )
        }),
        case!(Low, a_file_offset_that_is_negative, |bed| {
            transfer(bed, "--file-offset 0x8000000000000000", "EOVERFLOW")
        }),
        case!(
            Low,
            a_file_range_that_ends_beyond_the_largest_offset,
            |bed| { transfer(bed, "--file-offset 0x7fffffffffff0000", "EOVERFLOW") }
        ),
        case!(Low, an_empty_range, |bed| {
            transfer(bed, "--length 0", "EINVAL")
        }),
        case!(Low, a_misaligned_length_with_strict, |bed| {
            transfer(bed, "--length 0x1001 --flags 1", "EINVAL")
        }),
        case!(Low, a_misaligned_file_offset_with_strict, |bed| {
            transfer(bed, "--file-offset 7 --flags 1", "EINVAL")
        }),
        case!(Low, a_misaligned_region_offset_with_strict, |bed| {
            transfer(bed, "--region-offset 1 --length 0x1000 --flags 1", "EINVAL")
        }),
        case!(Low, a_chunk_that_is_too_small, |bed| {
            transfer(bed, "--chunk 4096", "EINVAL")
        }),
        case!(Low, a_chunk_that_is_no_multiple, |bed| {
            transfer(bed, "--chunk 0x18000", "EINVAL")
        }),
        case!(Low, a_chunk_that_is_too_large, |bed| {
            transfer(bed, "--chunk 0x4010000", "EINVAL")
        }),
        case!(Low, a_depth_that_is_too_large, |bed| {
            transfer(bed, "--depth 65", "EINVAL")
        }),
        case!(Low, an_unknown_flag, |bed| {
            transfer(bed, "--flags 4", "EINVAL")
        }),
        case!(Low, reserved_fields_that_are_not_zero, |bed| {
            (0..5).try_for_each(|field| transfer(bed, &format!("--reserved {field}"), "EINVAL"))
        }),
        case!(Low, an_argument_that_cannot_be_read, |bed| {
            transfer(bed, "--bad-pointer", "EFAULT")
        }),
        case!(Low, a_descriptor_that_is_read_only, |bed| {
            target(bed, "$RAW --mode rd", "EBADF")
        }),
        case!(Low, a_descriptor_without_o_direct, |bed| {
            target(bed, "$RAW --mode w", "EINVAL")
        }),
        case!(Low, a_descriptor_that_is_not_open, |bed| {
            target(bed, "fd:99", "EBADF")
        }),
        case!(Low, a_descriptor_that_is_negative, |bed| {
            target(bed, "fd:-1", "EBADF")
        }),
        case!(Low, a_pipe, |bed| target(bed, "pipe", "ESPIPE")),
        case!(Low, a_terminal, |bed| {
            target(bed, "/dev/console --mode w", "ESPIPE")
        }),
        case!(Low, another_character_device, |bed| {
            target(bed, "/dev/null --mode w", "EINVAL")
        }),
        case!(Low, a_region_as_the_target, |bed| {
            target(bed, "/dev/resmem/scratch --mode w", "EINVAL")
        }),
        case!(Low, a_file_for_appending),
        case!(Low, a_file_system_without_direct_io),
        case!(Low, a_target_that_is_too_small).needs(Need::SeveralDisks),
        // On a board the file system is as large as its card.
        case!(Low, a_full_file_system).needs(Need::SeveralDisks),
        case!(Low, a_file_size_limit),
        case!(Low, an_unprivileged_user),
        case!(Low, an_unknown_ioctl),
        case!(Low, loading_into_a_read_only_region, |bed| {
            bed.says(&format!("transfer load {NODE} $RAW --mode rd"), "EPERM")
        }),
        case!(Low, loading_through_a_read_only_node, |bed| {
            bed.says("transfer load /dev/resmem/scratch $RAW --mode rd", "EBADF")
        }),
        case!(Low, opening_a_read_only_region_for_writing, |bed| {
            bed.says(&format!("open {NODE} --write"), "EACCES")
        }),
        case!(Low, resdump_says_what_failed_and_what_to_do),
        case!(Low, a_file_that_a_process_serves_from_a_disk).needs(Need::Fuse),
    ]
}

/// A dump with bad numbers onto a marked disk.
fn transfer(bed: &mut Running, arguments: &str, errno: &str) -> Result<()> {
    target(bed, &format!("$RAW {arguments}"), errno)
}

fn target(bed: &mut Running, target: &str, errno: &str) -> Result<()> {
    let before = bed.raw_digest(0, 1 << 20)?;
    bed.says(&format!("transfer dump {NODE} {target}"), errno)?;
    ensure!(
        bed.raw_digest(0, 1 << 20)? == before,
        "the target has changed"
    );
    Ok(())
}

fn an_unknown_region(bed: &mut Running) -> Result<()> {
    let output = bed.run("resdump dump nosuch $RAW")?;
    ensure!(
        output.status == 3 && output.text.contains("nosuch"),
        "{output:?}"
    );
    Ok(())
}

fn a_file_for_appending(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.says(
            &format!("transfer dump {NODE} /mnt/file --mode wcda"),
            "EINVAL",
        )?;
        let size = bed.check("stat -c %s /mnt/file; rm /mnt/file")?;
        ensure!(size.trim() == "0", "{size}");
        Ok(())
    })
}

fn a_file_system_without_direct_io(bed: &mut Running) -> Result<()> {
    // tmpfs takes O_DIRECT and copies all the same.
    bed.says(
        &format!("transfer dump {NODE} /tmp/file --mode wcd"),
        "EOPNOTSUPP",
    )?;
    let size = bed.check("stat -c %s /tmp/file; rm /tmp/file")?;
    ensure!(size.trim() == "0", "{size}");
    Ok(())
}

fn a_target_that_is_too_small(bed: &mut Running) -> Result<()> {
    for chunk in [0x1_0000, 0x40_0000, 0x400_0000] {
        let said = bed.probe(&format!(
            "transfer dump {NODE} $SMALL --length 0x1000000 --chunk {chunk}"
        ))?;
        ensure!(
            said == format!("ok moved={SMALL} direct={SMALL} copied=0 error=ENOSPC"),
            "{said}"
        );
        let expected = &bed.expected("capture")?[..SMALL as usize];
        same(&bed.disks()?.small.read(0, SMALL)?, expected)?;
    }
    bed.says(
        &format!("transfer dump {NODE} $SMALL --file-offset {SMALL}"),
        "ENOSPC",
    )
}

fn a_full_file_system(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.check("dd if=/dev/zero of=/mnt/room bs=1M count=8 && ! dd if=/dev/zero of=/mnt/filler bs=1M && rm /mnt/room")?;
        let output = bed.run("resdump dump capture /mnt/file --engine kernel --quiet")?;
        ensure!(output.status != 0 && output.text.contains("ENOSPC"), "{output:?}");
        bed.check("rm -f /mnt/filler /mnt/file")?;
        Ok(())
    })
}

fn a_file_size_limit(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        // Blocks of 512 bytes: a limit of 1 MiB, and the signal that goes with it ignored.
        let said = bed.check(&format!(
            "(trap '' XFSZ; ulimit -f 2048; exec probe transfer dump {NODE} /mnt/file --mode wcd --length 0x200000 --chunk 0x10000)"
        ))?;
        ensure!(said.trim() == "ok moved=1048576 direct=1048576 copied=0 error=EFBIG", "{said}");
        let size = bed.check("stat -c %s /mnt/file; rm /mnt/file")?;
        ensure!(size.trim() == "1048576", "{size}");
        Ok(())
    })
}

fn an_unprivileged_user(bed: &mut Running) -> Result<()> {
    // The node's mode is in the way first, the capability behind it.
    let said = bed.check(&format!("su nobody -c 'probe open {NODE}'"))?;
    ensure!(said.trim() == "EACCES", "{said}");
    bed.check(&format!("chmod 644 {NODE}"))?;
    let said = bed.check(&format!(
        "su nobody -c 'probe open {NODE}'; chmod 600 {NODE}"
    ))?;
    ensure!(said.trim() == "EPERM", "{said}");
    Ok(())
}

fn an_unknown_ioctl(bed: &mut Running) -> Result<()> {
    // Neighbours of our own, another direction, another type, the terminal's, and random.h's, which were ours.
    for command in [
        "0x205247",
        "0xc068523f",
        "0x40805241",
        "0xc0685341",
        "0x5401",
        "0xc0685202",
    ] {
        bed.says(&format!("ioctl {NODE} {command}"), "ENOTTY")?;
    }
    Ok(())
}

fn resdump_says_what_failed_and_what_to_do(bed: &mut Running) -> Result<()> {
    let output = bed.run("resdump dump capture $RAW --offset 0x4000000 --length 4096")?;
    ensure!(
        output.status == 5 && output.text.trim().lines().count() == 1,
        "{output:?}"
    );
    Ok(())
}

/// FUSE takes `O_DIRECT`, lies on a block device, and copies.
fn a_file_that_a_process_serves_from_a_disk(bed: &mut Running) -> Result<()> {
    bed.check("mkdir -p /tmp/served")?;
    bed.says(&format!("fuseblk {NODE} $RAW /tmp/served"), "EOPNOTSUPP")
}
