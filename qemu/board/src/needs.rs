// SPDX-License-Identifier: MIT
//! What a test may need, a word each, and what boards and kernels lack, with the reason.

use std::collections::BTreeMap;

/// What a test may need of a board or of its kernel, and not every board or kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A machine that QEMU plays.
    Qemu,
    /// A board to run on: one that QEMU plays, or one behind the commands of a lab file.
    Board,
    /// Disks whose content the host sees.
    HostDisk,
    /// A disk that may be destroyed.
    ScratchDisk,
    /// More than one of them, or one of a certain size.
    SeveralDisks,
    /// Regions that the host fills before the start, and therefore knows.
    Filled,
    /// Regions of the suite's own, besides the board's.
    OwnRegions,
    /// A terminal on which each character arrives: what a command draws is looked at, or something is typed meanwhile.
    Terminal,
    /// The tests' own programs.
    Tools,
    /// A node in the device tree for each region: to bind a driver to, to say that a device shares it.
    DeviceNode,
    /// Addresses of 64 bits in the device tree.
    WideAddresses,
    /// Memory that begins at address 0.
    MemoryAtZero,
    /// Memory that the kernel has no mapping of.
    HighMemory,
    /// A disk image of the board's.
    DiskImage,
    /// The region that the documents' transcripts show.
    Transcripts,
    /// The most significant byte first.
    BigEndian,
    /// That what is tested on the host is tested again.
    Host,
    /// That a machine may be killed.
    PowerCut,
    /// A kernel whose instructions are worth counting.
    InstructionCounts,
    /// `/dev/mem` that reaches memory.
    DevMem,
    /// Quota on ext4.
    Quota,
    /// inotify.
    Inotify,
    /// `process_vm_writev`.
    CrossMemory,
    /// A kernel that can be locked down.
    Lockdown,
    /// A kernel that makes its own allocations fail.
    FaultInjection,
    /// A detector of memory errors or data races.
    Detector,
    /// The freezer of control groups.
    Freezer,
    /// FUSE.
    Fuse,
    /// dma-buf, and drivers that import one.
    DmaBuf,
    /// Copies of memory for devices (`swiotlb`).
    Swiotlb,
    /// The product's kernel, whose size counts.
    ProductKernel,
    /// Open Firmware, which takes nodes for its device tree.
    OpenFirmware,
    /// Persistent memory, which has page structures while its driver is bound.
    PersistentMemory,
    /// A boot loader that QEMU starts.
    BootLoader,
    /// Drivers of the disks that boards have: SATA, NVMe, SD card, USB storage.
    UsualDisks,
    /// A DMA engine and a network that the kernel has drivers of.
    BringUpKernel,
}

/// Words, as in `LACKS_<WORD>` of board.conf.
const WORDS: [(Need, &str); 36] = [
    (Need::Qemu, "QEMU"),
    (Need::Board, "BOARD"),
    (Need::HostDisk, "HOST_DISK"),
    (Need::ScratchDisk, "SCRATCH_DISK"),
    (Need::SeveralDisks, "SEVERAL_DISKS"),
    (Need::Filled, "FILLED"),
    (Need::OwnRegions, "OWN_REGIONS"),
    (Need::Terminal, "TERMINAL"),
    (Need::Tools, "TOOLS"),
    (Need::DeviceNode, "DEVICE_NODE"),
    (Need::WideAddresses, "WIDE_ADDRESSES"),
    (Need::MemoryAtZero, "MEMORY_AT_ZERO"),
    (Need::HighMemory, "HIGH_MEMORY"),
    (Need::DiskImage, "DISK_IMAGE"),
    (Need::Transcripts, "TRANSCRIPTS"),
    (Need::BigEndian, "BIG_ENDIAN"),
    (Need::Host, "HOST"),
    (Need::PowerCut, "POWER_CUT"),
    (Need::InstructionCounts, "INSTRUCTION_COUNTS"),
    (Need::DevMem, "DEV_MEM"),
    (Need::Quota, "QUOTA"),
    (Need::Inotify, "INOTIFY"),
    (Need::CrossMemory, "CROSS_MEMORY"),
    (Need::Lockdown, "LOCKDOWN"),
    (Need::FaultInjection, "FAULT_INJECTION"),
    (Need::Detector, "DETECTOR"),
    (Need::Freezer, "FREEZER"),
    (Need::Fuse, "FUSE"),
    (Need::DmaBuf, "DMA_BUF"),
    (Need::Swiotlb, "SWIOTLB"),
    (Need::ProductKernel, "PRODUCT_KERNEL"),
    (Need::OpenFirmware, "OPEN_FIRMWARE"),
    (Need::PersistentMemory, "PERSISTENT_MEMORY"),
    (Need::BootLoader, "BOOT_LOADER"),
    (Need::UsualDisks, "USUAL_DISKS"),
    (Need::BringUpKernel, "BRING_UP_KERNEL"),
];

/// Why no kernel but one has [`Need::UsualDisks`].
const DISKS: &str = "the kernel with drivers of disks has them: make test-disks";

/// Why no kernel but one has [`Need::BringUpKernel`].
const BRING_UP: &str = "the bring-up kernel has them: make test-bring-up";

/// Of kernels that are not the laboratory's.
const CLOSED: [(Need, &str); 4] = [
    (Need::DevMem, "/dev/mem is closed, as in the product"),
    (Need::Quota, "the lab kernel has quota"),
    (Need::Inotify, "the lab kernel has inotify"),
    (Need::CrossMemory, "the lab kernel has process_vm_writev"),
];

/// Of kernels that report about themselves, besides.
const SLOW: [(Need, &str); 2] = [
    (Need::ProductKernel, "the kernel with detectors is larger"),
    (
        Need::InstructionCounts,
        "the kernel's detectors cost many times more than a dump",
    ),
];

/// Of kernels that do not.
const ORDINARY: [(Need, &str); 6] = [
    (
        Need::Lockdown,
        "the debug kernel can be locked down: make test-debug",
    ),
    (
        Need::FaultInjection,
        "the debug kernel injects faults: make test-debug, make test-twin",
    ),
    (
        Need::Detector,
        "the debug kernel has detectors: make test-debug, make test-twin",
    ),
    (
        Need::Freezer,
        "the debug kernel has this freezer: make test-debug",
    ),
    (Need::Fuse, "the debug kernel has FUSE: make test-debug"),
    (
        Need::DmaBuf,
        "the debug kernel has dma-buf: make test-debug",
    ),
];

impl Need {
    /// Its word.
    pub fn word(self) -> &'static str {
        let found = WORDS.iter().find(|(need, _)| *need == self);
        found.map_or("?", |(_, word)| word)
    }

    /// The need that a word names.
    pub fn of_word(word: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(need, _)| *need)
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, word)| *word)
    }
}

/// What kernels lack when all tests use the flavour `instead`, and when each uses its own.
pub fn lacking_in_kernel(instead: Option<&str>) -> BTreeMap<Need, String> {
    let of = |needs: &[(Need, &str)]| -> BTreeMap<Need, String> {
        let reasons = needs.iter();
        reasons
            .map(|(need, why)| (*need, (*why).to_owned()))
            .collect()
    };
    let mut lacking = match instead {
        Some("debug" | "kasan" | "kcsan") => of(&SLOW),
        _ => of(&ORDINARY),
    };
    if !matches!(instead, None | Some("appliance" | "lab" | "bringup")) {
        lacking.append(&mut of(&CLOSED));
    }
    if matches!(instead, Some("disks" | "bringup")) {
        lacking.insert(
            Need::ProductKernel,
            "the kernel with drivers is larger".to_owned(),
        );
    }
    for (need, flavour, why) in [
        (Need::UsualDisks, "disks", DISKS),
        (Need::BringUpKernel, "bringup", BRING_UP),
    ] {
        if instead != Some(flavour) {
            lacking.insert(need, why.to_owned());
        }
    }
    if matches!(instead, Some("kasan" | "kcsan")) {
        lacking.append(&mut of(&[
            ORDINARY[0],
            ORDINARY[3],
            ORDINARY[4],
            ORDINARY[5],
        ]));
    }
    if instead == Some("kcsan") {
        lacking.append(&mut of(&[ORDINARY[1]]));
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_of_one_need() {
        for (need, word) in WORDS {
            assert_eq!(need.word(), word);
            assert_eq!(Need::of_word(word), Some(need));
        }
    }

    #[test]
    fn each_flavour_lacks_what_another_has() {
        let lacks = |flavour, need| lacking_in_kernel(flavour).contains_key(&need);
        assert!(lacks(None, Need::Lockdown) && !lacks(None, Need::DevMem));
        assert!(lacks(None, Need::UsualDisks) && lacks(Some("debug"), Need::UsualDisks));
        assert!(lacks(None, Need::BringUpKernel) && !lacks(Some("bringup"), Need::BringUpKernel));
        assert!(lacks(Some("disks"), Need::Quota) && !lacks(Some("disks"), Need::UsualDisks));
        assert!(lacks(Some("debug"), Need::DevMem) && !lacks(Some("debug"), Need::Lockdown));
        assert!(!lacks(Some("kasan"), Need::FaultInjection));
        assert!(lacks(Some("kcsan"), Need::FaultInjection));
        assert!(!lacks(Some("kcsan"), Need::Detector));
    }
}
