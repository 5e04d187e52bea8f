// SPDX-License-Identifier: MIT
//! A disk that is slow, stands still, and runs again.
//!
//! Outcome: the dump waits without using the processor, goes on, and is complete.

use anyhow::{Context, Result, ensure};

use super::dump::{Dump, SIZE, Target};
use crate::frame::{Case, Running};

pub fn cases() -> Vec<Case> {
    each!(
        &[Target::Disk, Target::File],
        a_stalled_disk_is_waited_for_by_a_dump_to,
        stalled
    )
}

fn stalled(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        // User and system time of the process, in hundredths of a second, over one second.
        let text = bed.check(
            "used() { set -- $(cat /proc/$dump/stat); echo $((${14} + ${15})); }; \
             before=$(used); sleep 1; echo $(($(used) - before))",
        )?;
        let used: u64 = text.trim().parse().context("a number of ticks")?;
        ensure!(
            used <= 10,
            "{used} % of a processor while the disk stands still"
        );
        let written = bed.guest.monitor()?.written(dump.target.disk())?;
        bed.check("kill -0 $dump")?;
        let output = dump.end(bed)?;
        ensure!(output.status == 0, "{output:?}");
        let after = bed.guest.monitor()?.written(dump.target.disk())?;
        ensure!(after > written, "nothing was left to write");
        Ok(())
    })?;
    dump.holds(bed, SIZE)
}
