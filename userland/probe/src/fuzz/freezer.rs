// SPDX-License-Identifier: MIT
//! Freezes worker processes, one at a time, where the kernel has control groups.

use std::fs;
use std::path::{Path, PathBuf};

use super::sys;

const MOUNT: &str = "/tmp/fuzz-cgroups";

/// A group for each worker process. Dropping it thaws them.
pub struct Freezer {
    groups: Vec<PathBuf>,
    /// Ticks so far: in every second one, one is frozen.
    ticks: usize,
}

impl Freezer {
    /// Puts each process into a group of its own. Without control groups there is nothing to freeze.
    pub fn new(processes: &[i32]) -> Result<Self, String> {
        let none = Self {
            groups: Vec::new(),
            ticks: 0,
        };
        if !mounted()? {
            return Ok(none);
        }
        let failed = |what: &Path, error| format!("{}: {error}", what.display());
        let mut groups = Vec::new();
        for process in processes {
            let group = Path::new(MOUNT).join(format!("worker-{process}"));
            fs::create_dir_all(&group).map_err(|error| failed(&group, error))?;
            fs::write(group.join("cgroup.procs"), process.to_string())
                .map_err(|error| failed(&group, error))?;
            groups.push(group);
        }
        Ok(Self { groups, ..none })
    }

    /// Freezes the next process, or thaws the one that is frozen.
    pub fn tick(&mut self) {
        if self.groups.is_empty() {
            return;
        }
        let group = &self.groups[self.ticks / 2 % self.groups.len()];
        set(group, self.ticks.is_multiple_of(2));
        self.ticks += 1;
    }

    /// Thaws all of them.
    pub fn thaw(&mut self) {
        for group in &self.groups {
            set(group, false);
        }
        self.ticks = self.ticks.next_multiple_of(2);
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
    }
}

fn set(group: &Path, frozen: bool) {
    // A process that has ended leaves an empty group behind, which can be written to as well.
    let _ = fs::write(group.join("cgroup.freeze"), u8::from(frozen).to_string());
}

/// Mounts the control groups, if the kernel has them.
fn mounted() -> Result<bool, String> {
    let known = fs::read_to_string("/proc/filesystems").map_err(|error| error.to_string())?;
    if !known.lines().any(|line| line.ends_with("\tcgroup2")) {
        return Ok(false);
    }
    fs::create_dir_all(MOUNT).map_err(|error| format!("{MOUNT}: {error}"))?;
    let name = c"/tmp/fuzz-cgroups";
    let kind = c"cgroup2";
    // SAFETY: The arguments are strings, or nothing.
    let called = sys::called(unsafe {
        libc::mount(
            kind.as_ptr(),
            name.as_ptr(),
            kind.as_ptr(),
            0,
            std::ptr::null(),
        )
    });
    match called {
        Ok(_) | Err(libc::EBUSY) => Ok(true),
        Err(errno) => Err(format!("{MOUNT}: errno {errno}")),
    }
}
