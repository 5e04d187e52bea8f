// SPDX-License-Identifier: MIT
//! What was in memory is on the target, byte for byte.

use anyhow::{Context, Result, ensure};

use crate::frame::regions::odd;
use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, kernel_engine_to_a_raw_disk, |bed| {
            to_raw(bed, "capture", "kernel")
        }),
        case!(Low, kernel_engine_to_an_ext4_file, |bed| {
            to_file(bed, "capture", "kernel")
        }),
        case!(Low, mmap_engine_to_a_raw_disk, |bed| {
            to_raw(bed, "capture", "mmap")
        }),
        case!(Low, mmap_engine_to_an_ext4_file, |bed| {
            to_file(bed, "capture", "mmap")
        }),
        case!(High, kernel_engine_to_a_raw_disk, |bed| {
            to_raw(bed, "high", "kernel")
        }),
        case!(High, kernel_engine_to_an_ext4_file, |bed| {
            to_file(bed, "high", "kernel")
        }),
        case!(High, mmap_engine_to_a_raw_disk, |bed| {
            to_raw(bed, "high", "mmap")
        }),
        case!(High, mmap_engine_to_an_ext4_file, |bed| {
            to_file(bed, "high", "mmap")
        }),
        case!(
            Low,
            a_dump_over_blocks_that_are_there_and_not_in_the_page_cache,
            over_blocks_that_are_there
        ),
        case!(Low, the_kernel_engine_copies_nothing),
        case!(Low, a_region_of_an_odd_size),
        case!(Low, a_sub_range),
        case!(Low, every_chunk_and_depth),
        case!(Low, two_regions_at_once),
        case!(Low, a_range_shorter_than_a_chunk),
        case!(High, a_load_is_what_a_dump_then_finds, |bed| {
            load(bed, "highscratch")
        }),
        case!(Low, a_load_is_what_a_dump_then_finds, |bed| {
            load(bed, "scratch")
        }),
        case!(Low, a_dump_leaves_the_region_as_it_was),
    ]
}

fn to_raw(bed: &mut Running, label: &str, engine: &str) -> Result<()> {
    bed.check("dd if=/dev/zero of=$RAW bs=1M count=80 conv=fsync")?;
    bed.dump(&format!("{label} $RAW --engine {engine}"))?;
    bed.raw_holds_all(0, label)
}

fn to_file(bed: &mut Running, label: &str, engine: &str) -> Result<()> {
    let name = format!("{label}-{engine}.bin");
    bed.mounted(|bed| bed.dump(&format!("{label} /mnt/{name} --engine {engine}")))?;
    bed.file_holds_all(&name, label)?;
    bed.mounted(|bed| bed.check(&format!("rm /mnt/{name}")))?;
    Ok(())
}

/// Nothing is left to do for the file system, so the interrupt of the last request ends the dump.
fn over_blocks_that_are_there(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.check(
            "dd if=/dev/zero of=/mnt/there bs=64k count=4 conv=fsync 2>/dev/null && \
             echo 3 >/proc/sys/vm/drop_caches",
        )?;
        let said = bed.probe(
            "transfer dump /dev/resmem/capture /mnt/there --length 0x40000 --chunk 0x10000 --depth 2",
        )?;
        ensure!(
            said.starts_with("ok moved=262144 direct=262144 copied=0 "),
            "{said}"
        );
        Ok(())
    })?;
    bed.file_holds("there", "capture", 0..0x4_0000)?;
    bed.mounted(|bed| bed.check("rm /mnt/there").map(drop))
}

fn the_kernel_engine_copies_nothing(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture $RAW --engine kernel")?;
    let size = bed.size("capture")?;
    ensure!(answer["direct"] == size, "{answer}");
    ensure!(answer["copied"] == 0, "{answer}");
    Ok(())
}

fn a_region_of_an_odd_size(bed: &mut Running) -> Result<()> {
    for engine in ["kernel", "mmap"] {
        let answer = bed.dump(&format!("odd $RAW --engine {engine}"))?;
        ensure!(answer["bytes"] == odd(bed.page), "{answer}");
        bed.raw_holds_all(0, "odd")?;
    }
    Ok(())
}

fn a_sub_range(bed: &mut Running) -> Result<()> {
    let (offset, length, seek) = (0x12_3000, 0x45_6000, 0x1_0000);
    for engine in ["kernel", "mmap"] {
        bed.check("dd if=/dev/zero of=$RAW bs=1M count=16 conv=fsync")?;
        bed.dump(&format!(
            "capture $RAW --offset {offset:#x} --length {length:#x} --seek {seek:#x} --engine {engine}"
        ))?;
        let end = seek + length;
        let next_to_it = || format!("{engine} wrote next to the range");
        bed.raw_is(0, &vec![0; seek as usize])
            .with_context(next_to_it)?;
        bed.raw_is(end, &vec![0; (16 << 20) - end as usize])
            .with_context(next_to_it)?;
        bed.raw_holds(seek, "capture", offset..offset + length)?;
    }
    Ok(())
}

fn every_chunk_and_depth(bed: &mut Running) -> Result<()> {
    for (chunk, depth) in [
        ("64K", 1),
        ("64K", 32),
        ("192K", 3),
        ("1M", 8),
        ("16M", 2),
        ("64M", 64),
    ] {
        bed.check("dd if=/dev/zero of=$RAW bs=1M count=64 conv=fsync")?;
        bed.dump(&format!(
            "capture $RAW --engine kernel --chunk {chunk} --depth {depth}"
        ))?;
        bed.raw_holds_all(0, "capture")?;
    }
    Ok(())
}

fn two_regions_at_once(bed: &mut Running) -> Result<()> {
    bed.check("dd if=/dev/zero of=$RAW bs=1M count=80 conv=fsync")?;
    bed.check(
        "resdump dump odd $RAW --seek 64M --engine kernel --force --quiet & \
         resdump dump capture $RAW --engine kernel --force --quiet && wait $!",
    )?;
    bed.raw_holds_all(0, "capture")?;
    bed.raw_holds_all(64 << 20, "odd")
}

fn a_range_shorter_than_a_chunk(bed: &mut Running) -> Result<()> {
    bed.dump("capture $RAW --length 4096 --engine kernel")?;
    bed.raw_holds(0, "capture", 0..4096)
}

fn load(bed: &mut Running, label: &str) -> Result<()> {
    let size = bed.size(label)?;
    let digest = bed.sha256(&format!("/dev/resmem/{label}"))?;
    bed.check(&format!(
        "dd if=/dev/zero of=$RAW bs=4096 count={} conv=fsync",
        size / 4096
    ))?;
    bed.check(&format!(
        "resdump dump {label} $RAW --seek 16M --engine kernel --force --quiet"
    ))?;
    // Something else into the region, seen there, then the first content back.
    bed.check(&format!(
        "resdump load $RAW {label} --length {size} --quiet"
    ))?;
    ensure!(
        bed.sha256(&format!("/dev/resmem/{label}"))? != digest,
        "the load changed nothing"
    );
    bed.check("dd if=$RAW of=/tmp/back bs=1M skip=16 count=1")?;
    bed.mounted(|bed| {
        bed.check("cp /tmp/back /mnt/back && sync")?;
        bed.check(&format!("resdump load /mnt/back {label} --quiet"))?;
        bed.check("rm /mnt/back /tmp/back")
    })?;
    ensure!(
        bed.sha256(&format!("/dev/resmem/{label}"))? == digest,
        "the way back lost something"
    );
    Ok(())
}

fn a_dump_leaves_the_region_as_it_was(bed: &mut Running) -> Result<()> {
    bed.dump("odd $RAW --engine kernel")?;
    bed.dump("odd $RAW --seek 16M --engine kernel")?;
    bed.raw_holds_all(16 << 20, "odd")
}
