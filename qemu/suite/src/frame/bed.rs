// SPDX-License-Identifier: MIT
//! The machines that tests share, and what is special about each.

use anyhow::Result;

use board::{Board, Image, Lab};
use host::paths::Paths;
use host::settings;
use machine::detectors::{TAINT_OUT_OF_TREE, TAINT_TEST};

/// Three regions, one of which ends within a page, names that are not there, and one that is no file name;
/// more than the module takes.
const RESERVE_MEM: &str = "reserve_mem=16M:1M:keep reserve_mem=1M:4096:log \
                                reserve_mem=1048653:1M:frayed \
                                resmem.reserve_mem=keep:rw,nosuch,log,frayed,a/b,%p%s,n6,n7,n8,n9,n10,\
                                n11,n12,n13,n14,n15,n16,n17";

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bed {
    /// The product's kernel, two processors, regions in low memory.
    Low,
    /// The product's kernel, 2 GiB, a region in high memory.
    High,
    /// The lab kernel, with the board's own device tree.
    Lab,
    /// The same, running the module's own unit tests when it is loaded.
    Kunit,
    /// The product's kernel with the board's own device tree, as a user finds it.
    Readme,
    /// The disk image on a larger disk, started by the board's boot loader where QEMU has it.
    Disk,
    /// The board's own region and a small writable one, for docs/reference/resdump.md.
    Docs,
    /// The product's kernel, using half of the memory; regions beyond that, across its end,
    /// without a mapping, and with ragged bounds.
    NoPages,
    /// The product's kernel with a raw disk that is slow.
    Slow,
    /// The product's kernel with regions by `reserve_mem=`, and none in the device tree.
    ReserveMem,
    /// The lab kernel, so that all engines work, and disks that are made to fail.
    Faults,
    /// The product's kernel, with regions that have neighbours.
    Security,
    /// The debug kernel, whose allocations can be made to fail. Regions as in `Low`.
    Failing,
    /// The product's kernel with a region of each sort between canaries.
    Fuzz,
    /// The product's kernel, using half of the memory, with regions that a device shares, and disks whose
    /// driver uses the kernel's DMA interface.
    Dma,
    /// The product's kernel, with copies of memory for devices (`swiotlb=force`).
    Bounce,
}

impl Bed {
    /// First part of the names of its tests.
    pub fn name(self) -> &'static str {
        match self {
            Bed::Low => "low",
            Bed::High => "high",
            Bed::Lab => "lab",
            Bed::Kunit => "kunit",
            Bed::Readme => "readme",
            Bed::Disk => "disk",
            Bed::Docs => "docs",
            Bed::NoPages => "no_pages",
            Bed::Slow => "slow",
            Bed::ReserveMem => "reserve_mem",
            Bed::Faults => "faults",
            Bed::Security => "security",
            Bed::Failing => "failing",
            Bed::Fuzz => "fuzz",
            Bed::Dma => "dma",
            Bed::Bounce => "bounce",
        }
    }

    /// The kernel's flavour, unless all tests use another.
    pub fn flavour(self) -> &'static str {
        match self {
            Bed::Lab | Bed::Kunit | Bed::Faults => "lab",
            _ => "appliance",
        }
    }

    /// Memory that its regions need, where that is more than the board's own.
    pub fn memory_mib(self) -> Option<u64> {
        (self == Bed::High).then_some(2048)
    }

    /// Whether its tests make things fail that the kernel reports.
    pub(super) fn provokes(self) -> bool {
        matches!(self, Bed::Faults | Bed::Failing)
    }

    pub(super) fn append(self) -> &'static str {
        match self {
            Bed::Kunit => "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=resmem*",
            Bed::NoPages | Bed::Fuzz | Bed::Dma => "mem=256M",
            Bed::Bounce => "swiotlb=force",
            Bed::ReserveMem => RESERVE_MEM,
            _ => "",
        }
    }

    /// What the file system on its second disk has besides the usual.
    pub(super) fn features(self) -> &'static [&'static str] {
        match self {
            // Another kernel would not mount it.
            Bed::Lab if instead().is_none() => &["-O", "quota"],
            _ => &[],
        }
    }

    pub(super) fn taint(self) -> u32 {
        match self {
            Bed::Kunit => TAINT_OUT_OF_TREE | TAINT_TEST,
            _ => TAINT_OUT_OF_TREE,
        }
    }
}

/// The board under test: the one that `RESDUMP_BOARD` names, else the reference.
pub fn board(paths: &Paths) -> Result<Board> {
    Board::load(&paths.root, &settings::get().board)
}

/// The lab file of the board under test, if `RESDUMP_TARGET` names one.
pub fn target() -> Result<Option<Lab>> {
    let file = settings::get().target.as_deref();
    file.map(Lab::load).transpose()
}

/// The flavour that all tests use instead of their own, if `RESDUMP_FLAVOUR` names one.
pub fn instead() -> Option<&'static str> {
    settings::get().flavour.as_deref()
}

/// The image under test: the quick one, or the folder that `RESDUMP_IMAGES` names, with one folder
/// a flavour.
pub fn image(paths: &Paths, board: &Board, flavour: &str) -> Result<Image> {
    let flavour = instead().unwrap_or(flavour);
    Image::open(&paths.image(&board.name, flavour))
}
