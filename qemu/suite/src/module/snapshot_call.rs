// SPDX-License-Identifier: MIT
//! Snapshots: a pinned buffer of a process is filled in the background.

use anyhow::{Context, Result, ensure};

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_snapshot_is_the_region_at_poll, |bed| {
            let size = bed.size("odd")?;
            snapshot(bed, "odd", 0, size, "--wait poll")
        }),
        case!(Low, a_snapshot_is_the_region_at_eventfd, |bed| {
            snapshot(bed, "capture", 0x1000, 0x10_0000, "--wait eventfd")
        }),
        case!(
            Low,
            a_snapshot_wakes_who_waited_before_it_was_started,
            |bed| snapshot(bed, "odd", 0, 0x1_0000, "--wait epoll")
        ),
        case!(Low, a_snapshot_leaves_sleepers_on_its_file_alone, |bed| {
            bed.says("sleeper /dev/resmem/odd", "ok")
        }),
        case!(Low, a_snapshot_fills_a_buffer_at_any_address, |bed| {
            snapshot(bed, "odd", 0x123, 0x1_2345, "--misalign 1001")
        }),
        case!(Low, a_snapshot_of_one_byte, |bed| {
            let last = bed.size("odd")? - 1;
            snapshot(bed, "odd", last, 1, "--misalign 4095")
        }),
        case!(High, a_snapshot_from_high_memory, |bed| {
            snapshot(bed, "high", 0, 0x400_0000, "")
        }),
        case!(NoPages, a_snapshot_from_memory_without_pages, |bed| {
            snapshot(bed, "straddle", 0xf_0000, 0x2_0000, "--misalign 7")
        }),
        case!(Low, a_snapshot_ends_with_its_file, |bed| {
            ends_early(bed, "close")
        }),
        case!(Low, a_snapshot_ends_with_its_process, |bed| {
            ends_early(bed, "exit")
        }),
        case!(Low, a_snapshot_of_too_much, |bed| {
            refused(bed, "--length 0x4001000", "EINVAL")
        }),
        case!(Low, a_snapshot_beyond_the_end, |bed| {
            refused(bed, "--region-offset 0x3fff000 --length 0x2000", "ERANGE")
        }),
        case!(Low, a_snapshot_of_nothing, |bed| {
            refused(bed, "--length 0", "EINVAL")
        }),
        case!(Low, a_snapshot_into_memory_that_is_not_there, |bed| {
            refused(bed, "--bad-address", "EFAULT")
        }),
        case!(Low, a_snapshot_with_something_else_than_an_eventfd, |bed| {
            refused(bed, "--bad-eventfd", "EBADF")
        }),
        case!(Low, a_snapshot_into_a_mapping_of_its_region, |bed| {
            unchanged(bed, "scratch", "scratch", "--misalign 1 --length 4000")?;
            unchanged(bed, "scratch", "scratch", "--length 4096")
        }),
        case!(Low, a_snapshot_into_a_mapping_of_another_region, |bed| {
            unchanged(bed, "capture", "scratch", "--length 0x10000")
        }),
        case!(Low, a_snapshot_of_more_than_may_be_pinned, |bed| {
            let limited = "snapshot /dev/resmem/capture --memlock 0x20000 --times 3";
            bed.says(&format!("{limited} --length 0x20001"), "ENOMEM")?;
            // What was pinned is given back each time.
            leaves_nothing_pinned(bed, |bed| {
                let said = "ok state=2 copied=65536 error=0 untouched=true";
                bed.says(&format!("{limited} --length 0x10000"), said)
            })
        }),
        case!(Low, a_snapshot_with_an_unknown_flag, |bed| {
            refused(bed, "--flags 1", "EINVAL")
        }),
        case!(Low, a_snapshot_with_reserved_fields, |bed| {
            (0..4).try_for_each(|field| refused(bed, &format!("--reserved {field}"), "EINVAL"))
        }),
        case!(Low, a_second_snapshot_while_one_runs, |bed| {
            refused(bed, "--length 0x4000000 --twice", "EBUSY")
        }),
        case!(Low, no_snapshot_was_started, |bed| {
            bed.says("idle /dev/resmem/odd", "ok state=0")
        }),
    ]
}

fn snapshot(bed: &mut Running, label: &str, offset: u64, length: u64, how: &str) -> Result<()> {
    bed.mounted(|bed| {
        let said = bed.probe(&format!(
            "snapshot /dev/resmem/{label} --region-offset {offset} --length {length} {how} --out /mnt/snapshot"
        ))?;
        let expected = format!("ok state=2 copied={length} error=0 untouched=true");
        ensure!(said == expected, "{said}");
        Ok(())
    })?;
    bed.file_holds("snapshot", label, offset..offset + length)
}

/// Checks that a snapshot of one region into a mapping of another is refused, and writes nothing.
fn unchanged(bed: &mut Running, from: &str, into: &str, how: &str) -> Result<()> {
    let sum = format!("sha256sum < /dev/resmem/{into}");
    let before = bed.check(&sum)?;
    let call = format!("snapshot /dev/resmem/{from} --into /dev/resmem/{into} {how}");
    bed.says(&call, "EINVAL")?;
    ensure!(bed.check(&sum)? == before, "{into} was written to");
    Ok(())
}

/// However it ends, nothing stays pinned.
fn ends_early(bed: &mut Running, how: &str) -> Result<()> {
    let call = format!("probe snapshot /dev/resmem/capture --length 0x4000000 --wait {how}");
    leaves_nothing_pinned(bed, |bed| bed.check(&call).map(drop))
}

/// Checks that as many pages of processes are pinned after `work` as before.
pub fn leaves_nothing_pinned(
    bed: &mut Running,
    work: impl FnOnce(&mut Running) -> Result<()>,
) -> Result<()> {
    let before = pinned(bed)?;
    work(bed)?;
    let after = pinned(bed)?;
    ensure!(
        before == after,
        "pinned pages: {before} before, {after} after"
    );
    Ok(())
}

/// How many pages of processes are pinned.
fn pinned(bed: &mut Running) -> Result<i64> {
    // The counters are kept by processor, and summed up when asked; with one there is nothing to sum.
    let text = bed.check("refresh=/proc/sys/vm/stat_refresh; test ! -e $refresh || echo 1 > $refresh; awk '/nr_foll_pin/ { sum += ($1 ~ /acquired/ ? $2 : -$2) } END { print sum }' /proc/vmstat")?;
    text.trim()
        .parse()
        .with_context(|| format!("no counters of pinned pages: {text:?}"))
}

fn refused(bed: &mut Running, arguments: &str, errno: &str) -> Result<()> {
    bed.says(&format!("snapshot /dev/resmem/capture {arguments}"), errno)
}
