// SPDX-License-Identifier: MIT
//! Memory that direct I/O cannot carry: without page structures, or not aligned. It arrives all the
//! same, the copied bytes are counted, and `--strict` refuses.

use anyhow::{Result, ensure};

use crate::frame::regions::{RAGGED, TOO_LONG};
use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(NoPages, a_region_outside_the_memory_map_is_copied, |bed| {
            dump(bed, "outside", 0, 4 << 20)
        }),
        case!(
            NoPages,
            a_region_partly_outside_is_copied_there_only,
            |bed| { dump(bed, "straddle", 1 << 20, 1 << 20) }
        ),
        case!(
            NoPages,
            a_no_map_region_is_copied_where_the_kernel_cannot_reach_it,
            |bed| {
                let copied = match bed.board.conf.linux_arch.as_str() {
                    "arm64" => 1 << 20,
                    _ => 0,
                };
                dump(bed, "nomap", (1 << 20) - copied, copied)
            }
        ),
        case!(NoPages, a_ragged_region_is_copied_to_the_byte, ragged),
        case!(NoPages, reading_sees_memory_without_pages, |bed| {
            reading(bed, "straddle")
        }),
        case!(NoPages, reading_sees_a_region_without_a_mapping, |bed| {
            reading(bed, "nomap")
        }),
        case!(NoPages, reading_a_ragged_region_leaks_no_neighbour, |bed| {
            reading(bed, "ragged")
        }),
        case!(NoPages, a_load_reaches_memory_without_pages),
        case!(NoPages, strict_refuses_memory_without_pages, |bed| {
            bed.says(
                "transfer dump /dev/resmem/outside /dev/vda --flags 1",
                "ENXIO",
            )
        }),
        case!(NoPages, strict_takes_the_part_that_has_pages, |bed| {
            let call = "transfer dump /dev/resmem/straddle /dev/vda --flags 1 --length 0x100000";
            bed.says(
                call,
                "ok moved=1048576 direct=1048576 copied=0 error=UnknownErrno",
            )?;
            bed.says(
                "transfer dump /dev/resmem/straddle /dev/vda --flags 1 --length 0x101000",
                "ENXIO",
            )
        }),
        case!(NoPages, memory_without_pages_cannot_be_mapped, |bed| {
            bed.says("map /dev/resmem/outside", "ENXIO")
        }),
        case!(NoPages, a_label_that_is_in_use_is_refused, |bed| {
            // Which of the two was first is not for us to say.
            let log = bed.check("dmesg | grep 'twin: '")?;
            ensure!(log.lines().count() == 2, "{log}");
            ensure!(log.contains("twin: no device: EEXIST"), "{log}");
            bed.check("test -c /dev/resmem/twin")?;
            Ok(())
        }),
        case!(NoPages, a_label_that_is_too_long_is_refused, |bed| {
            bed.check("dmesg | grep 'memory-region 0: no usable label: ENAMETOOLONG'")?;
            // Not under a part of its name either.
            bed.check(&format!("! ls /dev/resmem | grep '^{}'", &TOO_LONG[..16]))?;
            Ok(())
        }),
        case!(NoPages, a_ragged_region_cannot_be_mapped, |bed| {
            bed.says("map /dev/resmem/ragged", "EINVAL")
        }),
    ]
}

fn dump(bed: &mut Running, label: &str, direct: u64, copied: u64) -> Result<()> {
    let answer = bed.dump(&format!("{label} /dev/vda --engine kernel"))?;
    ensure!(
        answer["direct"] == direct && answer["copied"] == copied,
        "{answer}"
    );
    bed.raw_holds_all(0, label)?;
    bed.mounted(|bed| bed.dump(&format!("{label} /mnt/{label} --engine kernel")))?;
    bed.file_holds_all(label, label)
}

fn ragged(bed: &mut Running) -> Result<()> {
    dump(bed, "ragged", 0, RAGGED)
}

fn reading(bed: &mut Running, label: &str) -> Result<()> {
    bed.mounted(|bed| bed.check(&format!("cat /dev/resmem/{label} > /mnt/read")))?;
    bed.file_holds_all("read", label)
}

fn a_load_reaches_memory_without_pages(bed: &mut Running) -> Result<()> {
    let digest = bed.sha256("/dev/resmem/outside")?;
    bed.check("resdump dump outside /dev/vda --seek 16M --force --quiet")?;
    bed.check("dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync")?;
    bed.check("resdump load /dev/vda outside --length 4M --quiet")?;
    ensure!(
        bed.sha256("/dev/resmem/outside")? != digest,
        "the load changed nothing"
    );
    bed.check("dd if=/dev/vda of=/tmp/back bs=1M skip=16 count=4 && dd if=/tmp/back of=/dev/vda bs=1M conv=fsync,notrunc; rm /tmp/back")?;
    bed.check("resdump load /dev/vda outside --length 4M --quiet")?;
    ensure!(
        bed.sha256("/dev/resmem/outside")? == digest,
        "the way back lost something"
    );
    Ok(())
}
