// SPDX-License-Identifier: MIT
//! Instructions that a dump costs, everything counted: the process, interrupts, kernel workers.
//!
//! `probe meter` counts what a command costs. A program costs something before it moves the first
//! byte; a dump of one page costs that too, and is taken off.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{LABEL, ORDINARY};
use machine::guest::Guest;

/// A way to dump, with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What the report calls it.
    pub name: &'static str,
    /// What it dumps.
    pub source: &'static str,
    /// The dumper's engine, with its own flags.
    pub engine: &'static str,
    /// Bytes a request.
    pub chunk: u32,
    /// Requests in flight.
    pub depth: u32,
}

impl Way {
    /// A way with its settings.
    pub const fn new(
        name: &'static str,
        source: &'static str,
        engine: &'static str,
        chunk: u32,
        depth: u32,
    ) -> Self {
        Self {
            name,
            source,
            engine,
            chunk,
            depth,
        }
    }

    /// The arguments of `resdump dump` for it.
    pub fn arguments(&self) -> String {
        format!(
            "{} /dev/vda --engine {} --chunk {} --depth {} --force --quiet",
            self.source, self.engine, self.chunk, self.depth
        )
    }
}

/// What is measured on the board's region.
pub const WAYS: [Way; 6] = [
    Way::new("kernel_1m", LABEL, "kernel", 1 << 20, 4),
    Way::new("kernel_64k", LABEL, "kernel", 64 << 10, 16),
    Way::new("mapped", LABEL, "mmap --mapped", 4 << 20, 4),
    Way::new("anon", ORDINARY, "mmap", 4 << 20, 4),
    Way::new("read", LABEL, "read", 4 << 20, 1),
    Way::new("devmem", LABEL, "devmem", 4 << 20, 1),
];

/// What moves a MiB for less than the meter's error in one of 64: on a region of [`CHEAP_BYTES`], to a disk that
/// forgets.
pub const CHEAP: [Way; 3] = [
    Way::new("kernel", LABEL, "kernel", 16 << 20, 4),
    Way::new("kernel_64m", LABEL, "kernel", 64 << 20, 2),
    Way::new("mmap", LABEL, "mmap", 16 << 20, 4),
];

/// So many that the meter's error is some 20 instructions for each MiB.
pub const CHEAP_BYTES: u64 = 512 << 20;

/// What a way costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Instructions for each MiB of the region.
    pub per_mib: f64,
    /// Instructions for the first page, program start and end included.
    pub fixed: f64,
}

/// Measures `ways` on a region of `size` bytes.
pub fn costs(guest: &mut Guest, size: u64, ways: &[Way]) -> Result<BTreeMap<String, Cost>> {
    if ways.iter().any(|way| way.source == ORDINARY) {
        guest.check(&format!("cat /dev/resmem/{LABEL} > {ORDINARY}"))?;
    }
    ways.iter()
        .map(|way| {
            let fixed = meter(guest, way, PAGE)?;
            let whole = meter(guest, way, size)?;
            let cost = Cost {
                per_mib: (whole - fixed) / mib(size - PAGE),
                fixed,
            };
            Ok((way.name.to_owned(), cost))
        })
        .collect()
}

pub(super) const PAGE: u64 = 4096;

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What a dump of the first `length` bytes costs, program start and end included: the least of some
/// rounds, more of them for a way that costs so little that a timer tick matters, or how many requests
/// one interrupt ends: that depends on what else the host does.
pub(super) fn meter(guest: &mut Guest, way: &Way, length: u64) -> Result<f64> {
    let cheap = way.engine == "kernel" || way.engine == "mmap" && way.source == LABEL;
    let rounds = match (cheap, length) {
        (_, PAGE) => 9,
        (true, _) => 20,
        (false, _) => 3,
    };
    let command = format!("resdump dump {} --length {length}", way.arguments());
    metered(guest, &command, rounds)
}

/// What a command costs: the least of some rounds, in instructions.
pub fn metered(guest: &mut Guest, command: &str, rounds: u32) -> Result<f64> {
    let said = guest.check_within(&format!("probe meter --rounds {rounds} -- {command}"), 600)?;
    counted(&said).with_context(|| format!("the meter said {said:?}"))
}

/// The instructions that the meter names last. Before that is what the command says, such as the records of dd.
fn counted(said: &str) -> Option<f64> {
    let count = said.lines().last()?.strip_prefix("ok instructions=")?;
    count.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn what_a_command_says_comes_before_its_instructions() {
        let count = "ok instructions=91838970";
        assert_eq!(
            counted(&format!("64+0 records out\n{count}\n")),
            Some(91_838_970.0)
        );
        assert_eq!(counted(&format!("{count}\nfailed\n")), None);
        assert_eq!(counted(""), None);
    }
}
