// SPDX-License-Identifier: MIT
//! A region as a fixed buffer of an io_uring: what it shows, what it refuses, and how long it lasts.

use anyhow::{Result, ensure};

use crate::frame::regions::{RAGGED, odd};
use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, the_mmap_engine_registers_the_regions_pages, |bed| {
            engine(bed, "capture", "", "registered with io_uring")
        }),
        case!(
            High,
            the_mmap_engine_registers_pages_in_high_memory,
            |bed| engine(bed, "high", "", "registered with io_uring")
        ),
        case!(
            Low,
            the_mmap_engine_writes_from_a_mapping_when_told_to,
            |bed| engine(bed, "capture", "--mapped", "from a mapping")
        ),
        case!(Low, a_dump_of_a_part_registers_that_part),
        case!(Low, a_registered_buffer_begins_where_it_was_asked_to),
        case!(Low, a_write_beyond_a_registered_buffer, |bed| {
            register(bed, "odd write $RAW 512 4096", "EFAULT")
        }),
        case!(Low, a_read_into_a_registered_buffer, |bed| {
            register(bed, "scratch read $RAW", "EFAULT")
        }),
        case!(Low, a_registered_buffer_keeps_the_node_open),
        case!(Low, registering_beyond_the_end, |bed| {
            let size = odd(bed.page);
            register(bed, &format!("odd --offset {size}"), "ERANGE")
        }),
        case!(Low, registering_across_the_end, |bed| {
            let beyond = odd(bed.page) + 1;
            register(bed, &format!("odd --length {beyond}"), "ERANGE")
        }),
        case!(Low, registering_a_range_that_wraps, |bed| {
            register(bed, "odd --offset 0xfffffffffffff000", "EOVERFLOW")
        }),
        case!(Low, registering_nothing, |bed| {
            register(bed, "odd --length 0", "EINVAL")
        }),
        case!(Low, registering_more_than_a_buffer_holds, |bed| {
            register(bed, "odd --length 0x40000001", "EINVAL")
        }),
        case!(Low, registering_beyond_the_table, |bed| {
            register(bed, "odd --index 1", "EINVAL")
        }),
        case!(Low, registering_where_something_is, |bed| {
            register(bed, "odd --times 2", "EBUSY")
        }),
        case!(Low, registering_from_a_node_open_for_writing_only, |bed| {
            register(bed, "scratch --write-only", "EBADF")
        }),
        case!(Low, an_unknown_operation_on_a_ring, |bed| {
            register(bed, "odd --operation 0x5246", "ENOTTY")
        }),
        case!(NoPages, registering_memory_without_page_structures, |bed| {
            register(bed, "outside", "ENXIO")
        }),
        case!(
            NoPages,
            registering_to_the_last_byte_of_a_ragged_region,
            |bed| {
                register(bed, &format!("ragged --length {RAGGED}"), "ok")?;
                let beyond = RAGGED + 1;
                register(bed, &format!("ragged --length {beyond}"), "ERANGE")
            }
        ),
    ]
}

fn register(bed: &mut Running, arguments: &str, expected: &str) -> Result<()> {
    let call = format!("register /dev/resmem/{arguments}");
    bed.says(&call, expected)
}

fn engine(bed: &mut Running, label: &str, flags: &str, way: &str) -> Result<()> {
    let answer = bed.dump(&format!("{label} $RAW --engine mmap {flags}"))?;
    let reason = answer["engine_reason"].as_str().unwrap_or_default();
    ensure!(
        reason.contains(way) && answer["copied"] == 0 && answer["direct"] == answer["bytes"],
        "{answer}"
    );
    bed.raw_holds_all(0, label)
}

fn a_dump_of_a_part_registers_that_part(bed: &mut Running) -> Result<()> {
    bed.dump("odd $RAW --engine mmap --offset 8K --length 1M --seek 4K")?;
    bed.raw_holds(4 << 10, "odd", 8 << 10..(8 << 10) + (1 << 20))
}

fn a_registered_buffer_begins_where_it_was_asked_to(bed: &mut Running) -> Result<()> {
    let call = "register /dev/resmem/odd --offset 0x3000 --length 0x4000 write $RAW 0x1000 0x2000";
    bed.says(call, "ok written=8192")?;
    bed.raw_holds(0, "odd", 0x4000..0x6000)
}

fn a_registered_buffer_keeps_the_node_open(bed: &mut Running) -> Result<()> {
    bed.says("register /dev/resmem/odd outlive $RAW", "ok written=4096")?;
    bed.raw_holds(0, "odd", 0..4096)
}
