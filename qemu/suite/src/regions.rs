// SPDX-License-Identifier: MIT
//! The regions of the machines that tests run in.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use board::TreeSource;
use board::devicetree::Region;
use board::firmware::cannot_reserve;
use machine::Machine;
use machine::guest::Guest;

use crate::bed::Bed;
use crate::faults;
use crate::fuzz;
use crate::security::{TAIL, TAIL_BASE, WHOLE};
use crate::shared;

/// Size of a region that is a number of pages, and no power of two.
pub fn odd(page: u64) -> u64 {
    (3 << 20) + 3 * page
}

/// Where a region begins whose bounds are not those of pages, nor of sectors.
const RAGGED_BASE: u64 = 0x0d00_0123;
/// Its size.
pub const RAGGED: u64 = (1 << 20) + 77;

/// A name that is longer than a label can be.
pub const TOO_LONG: &str = "a-name-that-is-longer-than-what-the-module-can-tell-to-a-program-0";

/// What is in the device tree of a bed on a kernel with pages of `page` bytes; `None` leaves the board's own.
pub fn of(bed: Bed, page: u64) -> Option<Vec<Region>> {
    match bed {
        Bed::Low | Bed::Failing => Some(vec![
            Region::new("named", 0x1000_0000, 64 << 20).named("capture"),
            Region::new("odd", 0x0e00_0000, odd(page)),
            Region::new("scratch", 0x0f00_0000, 1 << 20).writable(),
            Region::new("ring", 0x0f80_0000, 1 << 20)
                .writable()
                .device_writes(),
        ]),
        Bed::High => Some(vec![
            Region::new("high", 0x6000_0000, 64 << 20),
            Region::new("highscratch", 0x6800_0000, 1 << 20).writable(),
        ]),
        Bed::Docs => Some(vec![
            Region::new("capture", 0x1000_0000, 64 << 20),
            Region::new("scratch", 0x0f00_0000, 1 << 20).writable(),
        ]),
        Bed::Holes => Some(vec![
            Region::new("outside", 0x1800_0000, 4 << 20).writable(),
            Region::new("straddle", 0x0ff0_0000, 2 << 20),
            Region::new("nomap", 0x0e00_0000, 1 << 20).no_map(),
            Region::new("ragged", RAGGED_BASE, RAGGED).writable(),
            Region::new("twin", 0x0c00_0000, 1 << 20),
            Region::new("double", 0x0c10_0000, 1 << 20).named("twin"),
            Region::new(TOO_LONG, 0x0c20_0000, 1 << 20),
        ]),
        Bed::Security => Some(vec![
            Region::new("before", TAIL_BASE - WHOLE, WHOLE),
            Region::new("tail", TAIL_BASE, TAIL).writable(),
            Region::new("after", TAIL_BASE + TAIL, 2 * WHOLE - TAIL),
            Region::new("capture", 0x1000_0000, 16 << 20),
        ]),
        Bed::Fuzz => Some(fuzz::regions()),
        Bed::Dma => Some(shared::regions()),
        Bed::Bounce => Some(vec![
            // As much as one of the kernel's own buffers has.
            Region::new("ring", 0x0f80_0000, 128 << 10)
                .writable()
                .device_writes(),
        ]),
        Bed::Faults => Some(vec![Region::new("capture", 0x1000_0000, faults::SIZE)]),
        Bed::Named => Some(Vec::new()),
        Bed::Lab | Bed::Kunit | Bed::Readme | Bed::Disk | Bed::Slow => None,
    }
}

/// Why a bed cannot be had where the firmware makes the device tree, if so. It does without regions that
/// a device writes.
pub fn missed(regions: &[Region]) -> Option<String> {
    regions
        .iter()
        .filter(|region| !region.device_writes)
        .find_map(|region| Some((region.driver_label(), cannot_reserve(region)?)))
        .map(|(label, why)| format!("its region {label} cannot be had: {why}"))
}

/// Where a machine's own regions are: as its device tree says, or, where the kernel chose, as the
/// driver does.
pub fn bases(machine: &Machine<'_>, guest: &mut Guest) -> Result<BTreeMap<String, u64>> {
    let Some(regions) = &machine.regions else {
        return Ok(BTreeMap::new());
    };
    if machine.board.tree_source()? != TreeSource::Firmware {
        let memory = machine.board.memory_base()?;
        let base = |region: &Region| (region.driver_label().to_owned(), memory + region.base);
        return Ok(regions.iter().map(base).collect());
    }
    let said: Value = serde_json::from_str(&guest.check("resdump list --json")?)?;
    let listed = said["regions"].as_array().context("no list of regions")?;
    let base = |region: &Value| {
        Some((
            region["label"].as_str()?.to_owned(),
            region["base"].as_u64()?,
        ))
    };
    let bases: Option<_> = listed.iter().map(base).collect();
    bases.with_context(|| format!("a region without a label or a base: {said}"))
}
