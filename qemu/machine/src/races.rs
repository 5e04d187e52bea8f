// SPDX-License-Identifier: MIT
//! Data races as KCSAN reports them. The kernel has some of its own, which it lives with; what counts
//! is whether a module of ours is in the trace of either access, before the trace gets into a file's or a disk's code
//! that the module called, or to what an interrupt came into.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// How a report begins, behind a line of `=`; it ends with another such line.
const TITLE: &str = "BUG: KCSAN: ";
/// Where a trace leaves what a module of ours is answerable for: frames behind one of these called the kernel's file
/// systems and disks, asked for a capability (which marks the task), or were interrupted.
const BORDERS: [&str; 5] = [
    "capable+",
    "vfs_iocb_iter_read+",
    "vfs_iocb_iter_write+",
    "el1h_64_irq+",
    "el0t_64_irq+",
];
/// Our modules, as they stand behind a frame of a trace.
const OURS: [&str; 2] = ["[resmem]", "[planted]"];

/// Titles of the kernel's own races that were seen, in all machines, and how often.
static OTHERS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// A report.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Such as `data-race in one / other`.
    pub title: String,
    /// Whether a module of ours has to do with it.
    pub ours: bool,
}

/// The command that prints the reports of the kernel's log, and nothing else.
pub const COMMAND: &str = "dmesg | sed -n '/BUG: KCSAN: /,/======/p'";

/// Whether a line of the log begins a report.
pub fn begins(line: &str) -> bool {
    line.contains(TITLE)
}

/// The reports in a log.
pub fn reports(log: &str) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    let (mut inside, mut behind) = (false, false);
    for line in log.lines() {
        if let Some((_, title)) = line.split_once(TITLE) {
            let title = title.trim().to_owned();
            reports.push(Report { title, ours: false });
            inside = true;
        } else if line.contains("======") {
            inside = false;
        } else if line.contains(" to 0x") {
            // The trace of another access.
            behind = false;
        }
        behind |= BORDERS.iter().any(|border| line.contains(border));
        if let (true, Some(report)) = (inside, reports.last_mut()) {
            report.ours |= !behind && OURS.iter().any(|module| line.contains(module));
        }
    }
    reports
}

/// Counts those that are none of ours.
pub fn count(reports: &[Report]) {
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    for report in reports.iter().filter(|report| !report.ours) {
        *others.entry(report.title.clone()).or_default() += 1;
    }
}

/// What was counted, a line each; `None` if nothing.
pub fn summary() -> Option<String> {
    let others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    let total: u32 = others.values().sum();
    let mut text = format!("{total} data races of the kernel's own, without a module of ours:\n");
    for (title, count) in others.iter() {
        let _ = writeln!(text, "{count:5} {title}");
    }
    (total > 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    4.1] ==================================================================
[    4.1] BUG: KCSAN: data-race in tick_nohz_idle_stop_tick / tick_sched_do_timer
[    4.1] read to 0xffff of 8 bytes by task 0 on cpu 0:
[    4.1]  tick_nohz_idle_stop_tick+0x8/0x40
[    4.1] ==================================================================
[    4.2] resmem: loading out-of-tree module taints kernel. [resmem]
[    4.3] ==================================================================
[    4.3] BUG: KCSAN: data-race in one / two
[    4.3] write to 0xffff of 4 bytes by task 7 on cpu 1:
[    4.3]  two+0x8/0x40
[    4.3]  fill+0x8/0x40 [resmem]
[    4.3] ==================================================================
[    4.4] ==================================================================
[    4.4] BUG: KCSAN: data-race in bio_alloc_bioset / bio_put
[    4.4] read to 0xffff of 4 bytes by interrupt on cpu 1:
[    4.4]  bio_put+0xd8/0x344
[    4.4]  el1h_64_irq+0x6c/0x70
[    4.4]  submit+0x290/0x2f4 [resmem]
[    4.4]\x20
[    4.4] read-write to 0xffff of 4 bytes by task 361 on cpu 1:
[    4.4]  bio_alloc_bioset+0x114/0x410
[    4.4]  vfs_iocb_iter_write+0x1e8/0x37c
[    4.4]  submit+0x290/0x2f4 [resmem]
[    4.4] ==================================================================
[    4.5] ==================================================================
[    4.5] BUG: KCSAN: data-race in three / landed
[    4.5] read to 0xffff of 4 bytes by task 8 on cpu 1:
[    4.5]  three+0xd8/0x344
[    4.5]  vfs_iocb_iter_write+0x1e8/0x37c
[    4.5]\x20
[    4.5] write to 0xffff of 4 bytes by interrupt on cpu 0:
[    4.5]  landed+0x8/0x40 [resmem]
[    4.5]  bio_endio+0x1c0/0x29c
[    4.5] ==================================================================
";

    #[test]
    fn a_race_is_ours_if_our_module_is_in_its_trace_before_a_border() {
        let reports = reports(LOG);
        let found: Vec<_> = reports.iter().map(|one| (&*one.title, one.ours)).collect();
        let idle = "data-race in tick_nohz_idle_stop_tick / tick_sched_do_timer";
        let cache = "data-race in bio_alloc_bioset / bio_put";
        assert_eq!(
            found,
            [
                (idle, false),
                ("data-race in one / two", true),
                (cache, false),
                ("data-race in three / landed", true),
            ]
        );
    }
}
