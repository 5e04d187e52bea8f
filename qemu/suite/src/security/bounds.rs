// SPDX-License-Identifier: MIT
//! A region that ends within a page, between two others: no call shows or changes a byte of those.

use anyhow::{Result, ensure};

use crate::frame::regions::{TAIL, WHOLE};
use crate::frame::{Case, Running, case, same};

const NODE: &str = "/dev/resmem/tail";

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            Security,
            a_dump_into_a_file_leaves_nothing_behind_its_end,
            into_a_file
        ),
        case!(
            Security,
            a_dump_onto_a_disk_leaves_what_is_behind_its_end,
            onto_a_disk
        ),
        case!(Security, a_read_ends_with_the_region, |bed| {
            let read = bed.mounted(|bed| bed.check(&format!("cat {NODE} > /mnt/read")));
            read?;
            bed.file_holds_all("read", "tail")
        }),
        case!(Security, a_snapshot_ends_with_the_region, |bed| {
            let said = bed.mounted(|bed| {
                bed.probe(&format!("snapshot {NODE} --length {TAIL} --out /mnt/shot"))
            })?;
            ensure!(
                said == format!("ok state=2 copied={TAIL} error=0 untouched=true"),
                "{said}"
            );
            bed.file_holds_all("shot", "tail")
        }),
        case!(Security, a_mapping_ends_with_the_last_whole_page, |bed| {
            let more = WHOLE + bed.page;
            bed.says(&format!("map {NODE} --length {WHOLE}"), "ok")?;
            bed.says(&format!("map {NODE} --length {more}"), "EINVAL")?;
            bed.says(&format!("map {NODE} --offset {WHOLE}"), "EINVAL")
        }),
        case!(Security, a_registered_buffer_ends_with_the_region, |bed| {
            let all = format!("register {NODE} --length {TAIL} write /dev/vda");
            let last = WHOLE - 0x1000;
            bed.says(&format!("{all} {last} 0x1000"), "ok written=4096")?;
            bed.says(&format!("{all} {WHOLE} 0x1000"), "EFAULT")
        }),
        case!(Security, no_call_takes_a_byte_more_than_the_region, |bed| {
            let more = TAIL + 1;
            for call in [
                format!("transfer dump {NODE} /dev/vda --length {more}"),
                format!("transfer load {NODE} /dev/vda --mode rd --node-write --length {more}"),
                format!("transfer dump {NODE} /dev/vda --region-offset {TAIL} --length 1"),
                format!("snapshot {NODE} --length {more}"),
                format!("register {NODE} --length {more}"),
            ] {
                bed.says(&call, "ERANGE")?;
            }
            Ok(())
        }),
        case!(
            Security,
            a_load_and_stores_leave_the_neighbours,
            leaves_the_neighbours
        ),
    ]
}

/// Whatever a file has behind its end in its last block can be read from the disk.
fn into_a_file(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| bed.dump("tail /mnt/file --engine kernel"))?;
    bed.file_holds_all("file", "tail")?;
    let end = bed.disks()?.ext4.place_of("file", TAIL)?;
    // A block has a KiB at least.
    let behind = bed
        .disks()?
        .ext4
        .read(end, TAIL.next_multiple_of(1 << 10) - TAIL)?;
    same(&behind, &vec![0; behind.len()])
}

fn onto_a_disk(bed: &mut Running) -> Result<()> {
    bed.check("tr '\\0' Z </dev/zero | dd of=/dev/vda bs=64k count=4 iflag=fullblock conv=fsync")?;
    bed.dump("tail /dev/vda --engine kernel")?;
    let mut expected = bed.expected("tail")?.to_vec();
    expected.resize(0x4_0000, b'Z');
    same(&bed.disks()?.raw.read(0, 0x4_0000)?, &expected)
}

fn leaves_the_neighbours(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.check(&format!(
            "cat {NODE} > /mnt/before && dd if=/dev/urandom of=/mnt/other bs={TAIL} count=1 && sync"
        ))?;
        bed.check("resdump load /mnt/other tail --quiet && cmp /mnt/other /dev/resmem/tail")?;
        let last = WHOLE - bed.page;
        let last = format!("map {NODE} --offset {last} --prot rw --node-write store 0");
        bed.says(&last, "ok")?;
        for label in ["before", "after"] {
            bed.dump(&format!("{label} /dev/vda --engine kernel"))?;
            bed.raw_holds_all(0, label)?;
        }
        // As it was, for the tests that follow.
        bed.check("resdump load /mnt/before tail --quiet && cmp /mnt/before /dev/resmem/tail")
    })
    .map(drop)
}
