// SPDX-License-Identifier: MIT
//! The regions of the machines that tests run in.

use board::Need;
use board::devicetree::Region;
use board::firmware::cannot_reserve;

use super::bed::Bed;
use super::canaries;

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

/// Bytes of whole pages that the region in the middle begins with: two of 64 KiB, or more that are smaller.
pub const WHOLE: u64 = 0x2_0000;
/// Its size: a part of another page, no multiple of a sector, comes last.
pub const TAIL: u64 = WHOLE + 0x64;
/// Where it begins: with a page.
pub const TAIL_BASE: u64 = 0x0e02_0000;

/// Size of the region that faulty dumps are made of.
pub const FAULTS: u64 = 8 << 20;
/// Size of the regions that a device shares.
pub const DMA: u64 = 1 << 20;

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
        Bed::NoPages => Some(vec![
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
        Bed::Fuzz => Some(canaries::regions()),
        Bed::Dma => Some(dma()),
        Bed::Bounce => Some(vec![
            // As much as one of the kernel's own buffers has.
            Region::new("ring", 0x0f80_0000, 128 << 10)
                .writable()
                .device_writes(),
        ]),
        Bed::Faults => Some(vec![Region::new("capture", 0x1000_0000, FAULTS)]),
        Bed::ReserveMem => Some(Vec::new()),
        Bed::Lab | Bed::Kunit | Bed::Readme | Bed::Disk | Bed::Slow => None,
    }
}

/// The kernel uses 256 MiB.
fn dma() -> Vec<Region> {
    vec![
        Region::new("ring", 0x0e00_0000, DMA)
            .writable()
            .device_writes(),
        Region::new("seen", 0x0e10_0000, DMA).device_writes(),
        Region::new("played", 0x0e20_0000, DMA)
            .writable()
            .device_reads(),
        Region::new("uneven", 0x0e30_0010, DMA).device_writes(),
        Region::new("straddle", 0x0ff0_0000, 2 * DMA)
            .writable()
            .device_writes(),
        Region::new("outside", 0x1800_0000, DMA)
            .writable()
            .device_writes(),
    ]
}

/// Whether only nodes of the device tree can say what a bed's regions are. It does without those that a device
/// writes.
fn need_nodes(bed: Bed) -> bool {
    let regions = of(bed, 4096).unwrap_or_default();
    let mut regions = regions.iter().filter(|region| !region.device_writes);
    regions.any(|region| cannot_reserve(region).is_some())
}

impl Bed {
    /// What all its tests need.
    pub fn needs(self) -> Vec<Need> {
        let more = match self {
            Bed::High => Some(Need::HighMemory),
            Bed::Readme | Bed::Docs => Some(Need::Transcripts),
            Bed::Failing => Some(Need::FaultInjection),
            Bed::Dma => Some(Need::DeviceNode),
            Bed::Bounce => return vec![Need::Qemu, Need::DeviceNode, Need::Swiotlb],
            Bed::Low => {
                return vec![
                    Need::Board,
                    Need::OwnRegions,
                    Need::ScratchDisk,
                    Need::Tools,
                ];
            }
            Bed::Disk => return vec![Need::Board, Need::DiskImage, Need::ScratchDisk],
            _ => need_nodes(self).then_some(Need::DeviceNode),
        };
        [Some(Need::Qemu), more].into_iter().flatten().collect()
    }
}
