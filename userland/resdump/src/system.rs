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
pub use resdump_format::manifest::{Moment, System, Taken};

/// This machine.
pub fn current() -> System {
    let (kernel, machine) = uname().map_or_else(
        |_| Default::default(),
        |name| {
            let text = |field: &std::ffi::OsStr| field.to_string_lossy().into_owned();
            (text(name.release()), text(name.machine()))
        },
    );
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    System {
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

/// Now.
pub fn now() -> Moment {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Moment {
        wall_ms: millis(wall.unwrap_or_default()),
        since_boot_ms: millis(boot),
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
        let system = current();
        assert!(!system.kernel.is_empty() && !system.machine.is_empty());
        let moment = now();
        assert!(moment.wall_ms > 0 && moment.since_boot_ms > 0);
    }
}
