// SPDX-License-Identifier: MIT
//! A node or a region that several processes share during a dump.
//!
//! | other process | outcome |
//! |---|---|
//! | another process has the region mapped | the dump is complete, the mapping stays |
//! | the process that dumps is killed, its parent has the same descriptor | the descriptor works |
//! | a process polls while another starts a snapshot into memory that a disk which stands still must fill first | it does not wait |
//! | the process that started a snapshot ends, its parent has the same descriptor | nothing stays pinned once that is closed |

use anyhow::{Result, ensure};

use super::dump::{Dump, SIZE, STALLED, Target};
use crate::frame::{Case, Running, case};
use crate::module::snapshot_call::leaves_nothing_pinned;

pub fn cases() -> Vec<Case> {
    [
        each!(
            &[Target::Disk],
            another_process_has_the_region_mapped_during_a_dump_to,
            mapped
        ),
        vec![case!(
            Faults,
            a_descriptor_outlives_the_process_that_dumps_with_it,
            outlives_a_dump
        )],
        vec![case!(
            Faults,
            a_descriptor_outlives_the_process_that_takes_a_snapshot_with_it,
            outlives_a_snapshot
        )],
        vec![case!(
            Faults,
            a_poll_does_not_wait_for_a_snapshot_that_is_being_started,
            polls_while_one_starts
        )],
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn mapped(bed: &mut Running, dump: Dump) -> Result<()> {
    let sum: u64 = bed
        .expected("capture")?
        .iter()
        .map(|byte| u64::from(*byte))
        .sum();
    dump.afresh(bed, |bed| {
        bed.check(&format!(
            "mkfifo /tmp/go; probe map /dev/resmem/capture --length {SIZE} hold < /tmp/go > /tmp/sum & \
             map=$!; exec 4> /tmp/go; until grep -q mapped /tmp/sum; do :; done"
        ))?;
        dump.begin(bed, "")?;
        dump.ends_well(bed)?;
        let said = bed.check("exec 4>&-; wait $map; cat /tmp/sum; rm /tmp/go /tmp/sum")?;
        ensure!(said.contains(&format!("ok sum={sum}")), "{said}, expected {sum}");
        Ok(())
    })?;
    dump.holds(bed, SIZE)
}

/// The shell is the parent.
fn outlives_a_dump(bed: &mut Running) -> Result<()> {
    let dump = Dump {
        engine: "kernel",
        target: Target::Disk,
    };
    let digest = bed.sha256("/dev/resmem/capture")?;
    bed.check("exec 3< /dev/resmem/capture")?;
    dump.start(
        bed,
        &format!("probe transfer dump fd:3 /dev/vda --length {SIZE} --chunk 0x40000"),
    )?;
    bed.check("kill -KILL $dump")?;
    let output = dump.end(bed)?;
    ensure!(output.status == 128 + 9, "{output:?}");
    let refused = bed.run("rmmod resmem")?;
    ensure!(refused.status != 0, "{refused:?}");
    let after = bed.sha256("- <&3")?;
    bed.check("exec 3<&-")?;
    ensure!(after == digest, "{after} instead of {digest}");
    Ok(())
}

fn outlives_a_snapshot(bed: &mut Running) -> Result<()> {
    leaves_nothing_pinned(bed, |bed| {
        bed.check("exec 3< /dev/resmem/capture")?;
        for _ in 0..5 {
            bed.check(&format!("probe snapshot fd:3 --length {SIZE} --wait exit"))?;
            // It goes on without the process, whose memory is gone but for what is pinned.
            bed.check("until probe idle fd:3 | grep -q 'ok state=2'; do :; done")?;
        }
        bed.check(&format!(
            "probe snapshot fd:3 --length {SIZE} --wait exit; exec 3<&-"
        ))
        .map(drop)
    })
}

fn polls_while_one_starts(bed: &mut Running) -> Result<()> {
    let disk = Target::Disk.disk();
    bed.check("sync; echo 3 > /proc/sys/vm/drop_caches; rm -f /tmp/said")?;
    bed.guest.monitor()?.throttle_reads(disk, STALLED)?;
    // QEMU lets the first request pass, however long it is: one of read-ahead may be the whole file.
    bed.check("dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct")?;
    let polled = bed.check(&format!(
        "probe polled /dev/resmem/capture /dev/vda --length {SIZE} > /tmp/said & poller=$!; \
         until grep -q polled /tmp/said || ! kill -0 $poller; do :; done; cat /tmp/said"
    ));
    bed.guest.monitor()?.throttle(disk, 0)?;
    let polled = polled?;
    ensure!(polled.contains("polled ready=0 state=0"), "{polled}");
    let said = bed.check("wait $poller; cat /tmp/said; rm /tmp/said")?;
    ensure!(said.contains("\nok") || said.starts_with("ok"), "{said}");
    Ok(())
}
