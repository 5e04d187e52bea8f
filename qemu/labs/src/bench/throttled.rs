// SPDX-License-Identifier: MIT
//! A slow disk: what fraction of its limit the kernel engine reaches, and what the processor does
//! meanwhile. And what memory the kernel holds.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::LABEL;
use machine::guest::Guest;

/// Bytes per second that the disk takes.
pub const LIMIT: u64 = 40_000_000;
/// Bytes of the region: much more than the burst that the emulated disk lets through at first.
pub const SIZE: u64 = 512 << 20;

/// What was seen on the slow disk.
#[derive(Clone, Debug, Serialize)]
pub struct Throttled {
    /// Bytes per second that the disk takes.
    pub limit: u64,
    /// Requests in flight.
    pub depth: u32,
    /// Bytes a request.
    pub chunk: u32,
    /// Rate of the dump by that limit.
    pub fraction_of_limit: f64,
    /// Fraction of the processor's time in which it had nothing to do, waiting for the disk included.
    pub cpu_idle: f64,
    /// Bytes of memory that the kernel held during a dump, by the dump's length in bytes, at depth
    /// 32: the module, the block layer, the disk's driver.
    pub held: BTreeMap<u64, u64>,
}

/// Measures on a disk with the [`LIMIT`].
pub fn throttled(guest: &mut Guest, size: u64) -> Result<Throttled> {
    let (chunk, depth) = (4 << 20, 4);
    let before = processor(guest)?;
    let said = guest.check_within(
        &format!(
            "resdump dump {LABEL} /dev/vda --engine kernel --chunk {chunk} --depth {depth} --force \
             --quiet --json"
        ),
        600,
    )?;
    let after = processor(guest)?;
    let answer: Value =
        serde_json::from_str(said.trim()).with_context(|| format!("resdump printed {said:?}"))?;
    let seconds = answer["seconds"].as_f64().context("no seconds")?;
    let mut held = BTreeMap::new();
    for length in [32 << 20, 256 << 20] {
        let said = guest.check_within(
            &format!("probe held /dev/resmem/{LABEL} /dev/vda --length {length}"),
            600,
        )?;
        let bytes = said
            .split_once("held=")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .with_context(|| format!("the probe said {said:?}"))?;
        held.insert(length, bytes);
    }
    Ok(Throttled {
        limit: LIMIT,
        depth,
        chunk,
        fraction_of_limit: size as f64 / seconds / LIMIT as f64,
        cpu_idle: (after.idle - before.idle) / (after.all - before.all),
        held,
    })
}

/// Ticks since the start.
struct Ticks {
    idle: f64,
    all: f64,
}

fn processor(guest: &mut Guest) -> Result<Ticks> {
    // cpu user nice system idle iowait irq softirq …
    let said = guest.check("head -n 1 /proc/stat")?;
    let ticks: Vec<f64> = said
        .split_whitespace()
        .skip(1)
        .map_while(|number| number.parse().ok())
        .collect();
    let at = |index: usize| ticks.get(index).copied().unwrap_or(0.0);
    Ok(Ticks {
        idle: at(3) + at(4),
        all: ticks.iter().sum(),
    })
}
