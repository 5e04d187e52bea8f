// SPDX-License-Identifier: MIT
//! The regions of the fuzzer, between canaries, and what is in them.

#[path = "../../../../userland/probe/src/fuzz/pattern.rs"]
#[allow(dead_code, reason = "the guest uses the rest")]
mod pattern;

use board::devicetree::Region;

/// Bytes of memory on each side of a region that must stay as they are.
const CANARY: u64 = 64 << 10;

/// A region within another one, where the device tree decides: a mapping of the one may be the memory of the other.
/// The host does not fill it.
pub const OVERLAPPING: &str = "lapped";

/// Regions of each sort, each between two canaries.
pub fn regions() -> Vec<Region> {
    const SIZE: u64 = 256 << 10;
    let regions = [
        Region::new("still", 0x0c01_0000, SIZE),
        Region::new("moving", 0x0c11_0000, SIZE).writable(),
        Region::new("ragged", 0x0c21_0123, SIZE + 77),
        Region::new("uneven", 0x0c31_0e01, SIZE - 3).writable(),
        Region::new("ring", 0x0c41_0000, SIZE)
            .writable()
            .device_writes(),
        Region::new("nomap", 0x0c51_0000, SIZE).no_map(),
        // The kernel uses memory up to 0x1000_0000.
        Region::new("straddle", 0x0fff_0000, 2 * CANARY),
        Region::new("outside", 0x1801_0000, SIZE),
        Region::new("beyond", 0x1811_0000, SIZE).writable(),
    ];
    let mut all = vec![Region::new(OVERLAPPING, 0x0c12_0000, SIZE / 2).writable()];
    for (index, region) in regions.into_iter().enumerate() {
        let (start, end) = (region.base, region.base + region.size);
        let before =
            start.next_multiple_of(CANARY) - CANARY * if start % CANARY == 0 { 1 } else { 2 };
        let after = (end + CANARY).next_multiple_of(CANARY);
        let canary = |side, from: u64, to: u64| {
            let canary = Region::new(&format!("canary-{index}-{side}"), from, to - from);
            if region.no_map {
                canary.no_map()
            } else {
                canary
            }
        };
        all.push(canary("before", before, start));
        all.push(canary("after", end, after));
        all.push(region);
    }
    all
}

/// What the host puts there.
pub fn content(label: &str, size: u64) -> Vec<u8> {
    if label.starts_with("canary") {
        pattern::canary(label, size as usize)
    } else {
        pattern::region(label, size as usize)
    }
}
