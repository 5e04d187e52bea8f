// SPDX-License-Identifier: MIT
//! Time since power-on, and how much of it the processor had nothing to do: under `-icount shift=0`
//! a nanosecond is an instruction.

use std::fs;

use nix::errno::Errno;

/// Prints both in nanoseconds.
pub fn run() -> Result<String, Errno> {
    Ok(format!("elapsed={} idle={}", since_power_on()?, idle()?))
}

/// The time base counts from power-on.
fn since_power_on() -> Result<u64, Errno> {
    let text = fs::read_to_string("/proc/cpuinfo").map_err(crate::errno_of)?;
    let rate: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("timebase"))
        .and_then(|rest| rest.trim_start_matches([' ', '\t', ':']).parse().ok())
        .ok_or(Errno::EINVAL)?;
    Ok((u128::from(time_base()) * 1_000_000_000 / u128::from(rate)) as u64)
}

#[cfg(target_arch = "powerpc")]
fn time_base() -> u64 {
    loop {
        let (high, low, again): (u32, u32, u32);
        // SAFETY: The time base can be read by any program, and reading it changes nothing.
        unsafe {
            core::arch::asm!("mftbu {}", "mftb {}", "mftbu {}",
                out(reg) high, out(reg) low, out(reg) again,
                options(nomem, nostack, preserves_flags));
        }
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

#[cfg(not(target_arch = "powerpc"))]
fn time_base() -> u64 {
    0
}

/// Second number of /proc/uptime.
fn idle() -> Result<u64, Errno> {
    let text = fs::read_to_string("/proc/uptime").map_err(crate::errno_of)?;
    let seconds: f64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .ok_or(Errno::EINVAL)?;
    Ok((seconds * 1e9) as u64)
}
