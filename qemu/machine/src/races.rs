// SPDX-License-Identifier: MIT
//! Data races as KCSAN reports them. The kernel has some of its own, which it lives with; what counts
//! is whether a module of ours is in the trace of either access.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// How a report begins, behind a line of `=`; it ends with another such line.
const TITLE: &str = "BUG: KCSAN: ";
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
    let mut inside = false;
    for line in log.lines() {
        if let Some((_, title)) = line.split_once(TITLE) {
            let title = title.trim().to_owned();
            reports.push(Report { title, ours: false });
            inside = true;
        } else if line.contains("======") {
            inside = false;
        }
        if let (true, Some(report)) = (inside, reports.last_mut()) {
            report.ours |= OURS.iter().any(|module| line.contains(module));
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
";

    #[test]
    fn a_race_is_ours_if_our_module_is_in_its_trace() {
        let reports = reports(LOG);
        let found: Vec<_> = reports.iter().map(|one| (&*one.title, one.ours)).collect();
        let idle = "data-race in tick_nohz_idle_stop_tick / tick_sched_do_timer";
        assert_eq!(found, [(idle, false), ("data-race in one / two", true)]);
    }
}
