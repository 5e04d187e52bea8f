// SPDX-License-Identifier: MIT
//! A file system that is frozen, so that it can be copied, does not change.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case, same};

const LENGTH: usize = 1 << 16;

pub fn cases() -> Vec<Case> {
    vec![case!(
        Security,
        a_dump_into_a_frozen_file_system_waits_as_a_write_does,
        |bed| {
            ["ordinary", "dump"]
                .into_iter()
                .try_for_each(|writer| waits(bed, writer))
        }
    )]
}

/// It waits in the kernel, where neither can be killed; the file is as it was until then.
fn waits(bed: &mut Running, writer: &str) -> Result<()> {
    let mut found = bed.mounted(|bed| {
        bed.check(&format!(
            "dd if=/dev/zero of=/mnt/file bs={LENGTH} count=1 conv=fsync; sync"
        ))?;
        bed.says("guard freeze /mnt", "ok")?;
        bed.check(&format!(
            "probe guarded {writer} /dev/resmem/capture /mnt/file > /tmp/said & writer=$!; \
             until grep -q 'State:.D' /proc/$writer/status; do :; done"
        ))?;
        let frozen = bed.disks()?.ext4.read_ext4("file")?;
        bed.says("guard thaw /mnt", "ok")?;
        let said = bed.check("wait $writer; cat /tmp/said; rm /tmp/said")?;
        // The shell reports the end of its background job.
        ensure!(
            said.contains(&format!("ok moved={LENGTH} error=none")),
            "{writer}: {said}"
        );
        Ok(frozen)
    })?;
    same(&found, &[0; LENGTH])?;
    found = bed.disks()?.ext4.read_ext4("file")?;
    match writer {
        "dump" => same(&found, &bed.expected("capture")?[..LENGTH]),
        _ => same(&found, &[0x5a; LENGTH]),
    }
}
