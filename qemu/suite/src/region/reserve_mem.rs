// SPDX-License-Identifier: MIT
//! Regions that the kernel reserved by `reserve_mem=`, without a device tree that knows of them.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case, same};

pub fn cases() -> Vec<Case> {
    vec![
        case!(ReserveMem, each_name_is_a_region, |bed| {
            let said = bed.probe("info /dev/resmem/keep")?;
            ensure!(
                said.contains("flags=0x3 ") && said.contains("size=0x1000000 "),
                "{said}"
            );
            let said = bed.probe("info /dev/resmem/log")?;
            ensure!(
                said.contains("flags=0x2 ") && said.contains("size=0x100000 "),
                "{said}"
            );
            Ok(())
        }),
        case!(ReserveMem, a_name_without_a_region_is_said, |bed| {
            bed.check("dmesg | grep 'reserve_mem: nosuch: nothing is reserved under this name'")?;
            bed.check("test ! -e /dev/resmem/nosuch -a ! -e /dev/resmem/a")?;
            Ok(())
        }),
        case!(ReserveMem, one_is_read_only_unless_told, |bed| {
            bed.says("open /dev/resmem/log --write", "EACCES")
        }),
        case!(
            ReserveMem,
            load_and_dump_are_direct_and_identical,
            load_and_dump
        ),
        case!(
            ReserveMem,
            a_region_that_ends_within_a_page_is_not_mapped_in_part,
            ends_within_a_page
        ),
        case!(ReserveMem, no_device_writes_it, |bed| {
            bed.says("sync /dev/resmem/keep --length 4096", "EOPNOTSUPP")
        }),
    ]
}

/// The rest of its last page is not the region's.
fn ends_within_a_page(bed: &mut Running) -> Result<()> {
    let frayed = "resdump dump frayed /dev/vda --force --quiet";
    let output = bed.run(&format!("{frayed} --engine mmap --mapped"))?;
    ensure!(
        output.status == 10
            && output
                .text
                .contains("mmap: EINVAL (22): frayed cannot be mapped"),
        "{output:?}"
    );
    bed.dump("frayed /dev/vda --engine mmap --mapped --length 1M")?;
    let answer = bed.dump("frayed /dev/vda --engine kernel")?;
    // 77 bytes beyond a MiB are less than a block.
    ensure!(
        answer["direct"] == 1 << 20 && answer["copied"] == 77,
        "{answer}"
    );
    bed.check("cat /dev/resmem/frayed > /tmp/frayed && cmp -n 1048653 /tmp/frayed /dev/vda && rm /tmp/frayed")?;
    Ok(())
}

fn load_and_dump(bed: &mut Running) -> Result<()> {
    bed.check("dd if=/dev/urandom of=/dev/vda bs=1M count=16 conv=fsync")?;
    bed.check("resdump load /dev/vda keep --length 16M --quiet")?;
    let answer = bed.dump("keep /dev/vda --seek 32M --engine kernel --strict")?;
    ensure!(answer["direct"] == 16 << 20, "{answer}");
    same(
        &bed.disks()?.raw.read(32 << 20, 16 << 20)?,
        &bed.disks()?.raw.read(0, 16 << 20)?,
    )
}
