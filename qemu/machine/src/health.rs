// SPDX-License-Identifier: MIT
//! What a kernel says of its own health: its log, its taint, and its detectors.

use anyhow::{Result, bail, ensure};

use crate::detectors::TAINT_UNSIGNED;
use crate::guest::Guest;
use crate::races;

/// What the kernel says when something is wrong with it, as extended regular expressions.
const SPLATS: [&str; 13] = [
    "WARNING:",
    "BUG:",
    // The allocator's.
    "BUG [^ ]+ \\(",
    "Oops",
    "Kernel panic",
    "INFO: possible",
    "INFO: task",
    "suspicious RCU usage",
    "turning off the locking correctness validator",
    "cannot create duplicate filename",
    "Call Trace:",
    // An address of the kernel's in what the module says, hashed or not.
    "resmem.*[^0-9a-f](0x)?([c-f][0-9a-f]{7}|[c-f][0-9a-f]{15})([^0-9a-f]|$)",
    "Call trace:",
];

/// Where the kernel's debugging files are.
const DEBUGFS: &str = "/sys/kernel/debug";

impl Guest {
    /// Checks that the kernel log is clean: no warning, bug or oops in it, and the kernel is
    /// tainted with exactly `taint`, and by modules without a signature where it looks for one. Races without
    /// a module of ours are counted.
    pub fn check_health(&mut self, taint: u32) -> Result<()> {
        let taint = match self.detectors.signatures {
            true => taint | TAINT_UNSIGNED,
            false => taint,
        };
        let pattern = SPLATS.join("|");
        let found = self.check(&format!(
            "cat /proc/sys/kernel/tainted; dmesg | grep -E '{pattern}' || true"
        ))?;
        let (races, rest): (Vec<&str>, Vec<&str>) =
            found.lines().partition(|line| races::begins(line));
        let ours = self.has_races_of_ours(&races.join("\n"))?;
        if ours || rest.join("\n").trim() != taint.to_string() {
            bail!(
                "the kernel log is not clean (expected to see {taint} only):\n{found}{}",
                self.check("dmesg")?
            );
        }
        Ok(())
    }

    /// Looks at the races that the log names in `lines`, as far as it has not before.
    fn has_races_of_ours(&mut self, lines: &str) -> Result<bool> {
        if lines == self.races {
            return Ok(false);
        }
        let reports = races::reports(&self.check(races::COMMAND)?);
        let seen = self.races.lines().count();
        races::count(reports.get(seen..).unwrap_or_default());
        self.races = lines.to_owned();
        Ok(reports.iter().any(|report| report.ours))
    }

    /// Checks that the kernel's detectors, where it has any, are on and have found nothing.
    pub fn check_detectors(&mut self) -> Result<()> {
        if self.detectors.locks {
            self.check_locks()?;
        }
        if self.detectors.dma {
            self.mount_debugfs()?;
            let said = self.check(&format!(
                "cd {DEBUGFS}/dma-api; cat disabled error_count; cd"
            ))?;
            ensure!(
                said.split_whitespace().eq(["N", "0"]),
                "misuse of the DMA interface, or its detector is off (disabled, errors): {said}"
            );
        }
        if self.detectors.leaks {
            let leaks = self.leaks()?;
            ensure!(leaks.is_empty(), "unreferenced memory:\n{leaks}");
        }
        Ok(())
    }

    /// Lock debugging switches itself off with the first thing that it finds.
    fn check_locks(&mut self) -> Result<()> {
        let said = self.check("grep debug_locks: /proc/lockdep_stats")?;
        ensure!(
            said.split_whitespace().eq(["debug_locks:", "1"]),
            "lock debugging has switched itself off: {said}"
        );
        Ok(())
    }

    /// Unreferenced memory that kmemleak finds.
    pub(crate) fn leaks(&mut self) -> Result<String> {
        self.mount_debugfs()?;
        // It takes two looks to be sure, and what is younger than 5 s is not looked at.
        self.check_within(
            &format!("cd {DEBUGFS}; echo scan >kmemleak && sleep 5 && echo scan >kmemleak && cat kmemleak; cd"),
            300,
        )
    }

    fn mount_debugfs(&mut self) -> Result<()> {
        self.check(&format!(
            "grep -q ' {DEBUGFS} ' /proc/mounts || mount -t debugfs debugfs {DEBUGFS}"
        ))?;
        Ok(())
    }
}
