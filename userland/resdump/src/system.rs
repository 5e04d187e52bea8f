// SPDX-License-Identifier: MIT

//! What identifies a boot of a machine, and its clocks.

#![forbid(unsafe_code)]

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::utsname::uname,
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};

/// The machine that a dump was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Machine, as `uname -m` prints it.
    pub machine: String,
    /// `big` or `little`.
    pub byte_order: String,
    /// The kernel's name for this boot; empty where it does not tell.
    pub boot_id: String,
}

impl System {
    /// This one.
    pub fn current() -> Self {
        let (kernel, machine) = uname().map_or_else(
            |_| Default::default(),
            |name| {
                let text = |field: &std::ffi::OsStr| field.to_string_lossy().into_owned();
                (text(name.release()), text(name.machine()))
            },
        );
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            kernel,
            machine,
            byte_order: if cfg!(target_endian = "big") {
                "big"
            } else {
                "little"
            }
            .into(),
            boot_id: boot_id.trim().into(),
        }
    }
}

/// A moment, by both clocks: that of the wall may be wrong on a board, the other starts at boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970, UTC.
    pub wall_ms: u64,
    /// Milliseconds since the start of the machine, sleep included.
    pub since_boot_ms: u64,
}

/// A copy of memory that was made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When the copying began.
    pub began: Moment,
    /// How long it took, in microseconds: that much older may the first byte be than the last.
    pub micros: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        Self {
            wall_ms: millis(wall.unwrap_or_default()),
            since_boot_ms: millis(boot),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_a_time() {
        let system = System::current();
        assert!(!system.kernel.is_empty() && !system.machine.is_empty());
        let now = Moment::now();
        assert!(now.wall_ms > 0 && now.since_boot_ms > 0);
    }
}
