// SPDX-License-Identifier: MIT
//! A region that may only be read stays as it is, whoever writes to a mapping of it, and in whatever way.

use anyhow::Result;

use crate::bed::{Bed, Case, Running};

/// Both a region that is read-only, and a writable one that is opened for reading.
const LABELS: [&str; 2] = ["capture", "tail"];

pub fn cases() -> Vec<Case> {
    let case = |name, run| Case {
        bed: Bed::Security,
        name,
        run,
    };
    vec![
        case("a_child_process_cannot_make_a_mapping_writable", |bed| {
            overwrite(bed, "child-protects", "EACCES")
        }),
        case("a_child_process_cannot_store", |bed| {
            overwrite(bed, "child-stores", "ok SIGSEGV")
        }),
        case("a_mapping_that_was_moved_cannot_be_made_writable", |bed| {
            overwrite(bed, "moved", "EACCES")
        }),
        case("a_debugger_cannot_poke_into_a_mapping", |bed| {
            overwrite(bed, "poke", "EIO")
        }),
        Case {
            bed: Bed::Lab,
            name: "another_process_cannot_write_to_a_mapping",
            run: |bed| overwrite_one(bed, "capture", "remote", "EFAULT"),
        },
        case("a_file_cannot_be_read_into_a_mapping", |bed| {
            overwrite(bed, "read /dev/vda", "EFAULT")
        }),
        case("a_device_cannot_write_to_a_mapping", |bed| {
            overwrite(bed, "direct-read /dev/vda", "EFAULT")
        }),
        case("a_ring_cannot_read_into_a_mapping", |bed| {
            overwrite(bed, "ring-buffer", "EFAULT")
        }),
        case("a_mapping_cannot_be_faulted_in_for_writing", |bed| {
            overwrite(bed, "populate", "EINVAL")
        }),
        case("what_is_behind_a_mapping_cannot_be_given_up", |bed| {
            overwrite(bed, "remove", "EACCES")
        }),
        case("a_snapshot_cannot_fill_a_mapping", |bed| {
            overwrite(bed, "snapshot /dev/resmem/before", "EFAULT")
        }),
    ]
}

fn overwrite(bed: &mut Running, how: &str, expected: &str) -> Result<()> {
    for label in LABELS {
        overwrite_one(bed, label, how, expected)?;
    }
    Ok(())
}

fn overwrite_one(bed: &mut Running, label: &str, how: &str, expected: &str) -> Result<()> {
    for sharing in ["", "--private"] {
        let map = format!("map /dev/resmem/{label} {sharing}");
        bed.says(&format!("{map} overwrite {how}"), expected)?;
    }
    bed.dump(&format!("{label} /dev/vda --engine kernel"))?;
    bed.same_on(&bed.raw.clone(), 0, label)
}
