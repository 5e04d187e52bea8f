// SPDX-License-Identifier: MIT
//! Several live regions in one dump.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case};

/// Bytes of a LiME header.
const HEADER: u64 = 32;

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, all_regions_are_segments_of_one_core),
        case!(Low, several_labels_are_ranges_of_one_lime_file),
    ]
}

fn all_regions_are_segments_of_one_core(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        let answer = bed.dump("--all /mnt/all --digest crc32c --verify")?;
        ensure!(
            answer["verified"] == true && answer["complete"] == true,
            "{answer}"
        );
        let ranges = bed.check("resdump show /mnt/all --ranges")?;
        for line in bed.check("resdump list")?.lines().skip(1) {
            let mut columns = line.split_whitespace();
            let (Some(label), Some(base)) = (columns.next(), columns.next()) else {
                continue;
            };
            ensure!(ranges.contains(base), "no {base} in {ranges}");
            // Against the live region, by its address.
            bed.check(&format!("resdump verify /mnt/all --against {label}"))?;
        }
        bed.check("rm /mnt/all /mnt/all.json")?;
        Ok(())
    })
}

fn several_labels_are_ranges_of_one_lime_file(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture odd $RAW --format lime")?;
    ensure!(answer["complete"] == true, "{answer}");
    // In the order of their addresses, each behind its header.
    let mut at = 0;
    let mut labels = [("odd", bed.base("odd")?), ("capture", bed.base("capture")?)];
    labels.sort_by_key(|(_, base)| *base);
    for (label, base) in labels {
        let length = bed.size(label)?;
        let addresses = [base.to_le_bytes(), (base + length - 1).to_le_bytes()].concat();
        bed.raw_is(at + 8, &addresses)?;
        bed.raw_holds_all(at + HEADER, label)?;
        at += HEADER + length;
    }
    Ok(())
}
