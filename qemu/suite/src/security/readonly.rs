// SPDX-License-Identifier: MIT
//! A region that may only be read stays as it is, by each method to write to a mapping of it.

use anyhow::Result;
use board::Need;

use crate::frame::{Case, Running, case};

/// Both a region that is read-only, and a writable one that is opened for reading.
const LABELS: [&str; 2] = ["capture", "tail"];

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            Security,
            a_child_process_cannot_make_a_mapping_writable,
            |bed| { overwrite(bed, "child-protects", "EACCES") }
        ),
        case!(Security, a_child_process_cannot_store, |bed| {
            overwrite(bed, "child-stores", "ok SIGSEGV")
        }),
        case!(
            Security,
            a_mapping_that_was_moved_cannot_be_made_writable,
            |bed| { overwrite(bed, "moved", "EACCES") }
        ),
        case!(Security, a_debugger_cannot_poke_into_a_mapping, |bed| {
            overwrite(bed, "poke", "EIO")
        }),
        case!(Lab, another_process_cannot_write_to_a_mapping, |bed| {
            overwrite_one(bed, "capture", "remote", "EFAULT")
        })
        .needs(Need::CrossMemory),
        case!(Security, a_file_cannot_be_read_into_a_mapping, |bed| {
            overwrite(bed, "read /dev/vda", "EFAULT")
        }),
        case!(Security, a_device_cannot_write_to_a_mapping, |bed| {
            overwrite(bed, "direct-read /dev/vda", "EFAULT")
        }),
        case!(Security, a_ring_cannot_read_into_a_mapping, |bed| {
            overwrite(bed, "ring-buffer", "EFAULT")
        }),
        case!(
            Security,
            a_mapping_cannot_be_faulted_in_for_writing,
            |bed| { overwrite(bed, "populate", "EINVAL") }
        ),
        case!(
            Security,
            what_is_behind_a_mapping_cannot_be_given_up,
            |bed| { overwrite(bed, "remove", "EACCES") }
        ),
        case!(Security, a_snapshot_cannot_fill_a_mapping, |bed| {
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
    bed.raw_holds_all(0, label)
}
