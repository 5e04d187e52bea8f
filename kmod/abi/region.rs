// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a region is, who owns its memory, and a dma-buf of it.

#[allow(unused_imports, reason = "links of the documentation")]
use super::*;

/// [`RegionExport::flags`]: importers and mappings may write. Without it nothing can write by the descriptor.
pub const EXPORT_WRITE: u32 = 1 << 0;
/// [`RegionExport::flags`]: the descriptor is closed by `execve` (`O_CLOEXEC`).
pub const EXPORT_CLOEXEC: u32 = 1 << 1;

/// [`RegionSync::direction`]: what the device wrote is what processors read from now on. What processors
/// wrote to what the device owned is lost.
pub const SYNC_FOR_CPU: u32 = 0;
/// [`RegionSync::direction`]: what processors wrote is in memory from now on, and will not overwrite what
/// the device writes. Processors must not access them until the next [`SYNC_FOR_CPU`].
pub const SYNC_FOR_DEVICE: u32 = 1;

/// Bytes of a label, the terminating NUL included.
pub const LABEL_BYTES: usize = 64;

/// [`RegionInfo::features`]: [`IOC_SNAPSHOT`] and [`IOC_SNAPSHOT_STATUS`].
pub const FEATURE_SNAPSHOT: u32 = 1 << 0;
/// [`RegionInfo::features`]: [`IOC_SYNC`] and [`TRANSFER_NO_SYNC`].
pub const FEATURE_SYNC: u32 = 1 << 1;
/// [`RegionInfo::features`]: [`IOC_REGISTER`], where the kernel has what it takes.
pub const FEATURE_REGISTER: u32 = 1 << 2;
/// [`RegionInfo::features`]: [`IOC_POSITION`], [`IOC_DOORBELL`], [`IOC_WATCH`], and, where there is [`FEATURE_REGISTER`],
/// [`IOC_REACH`].
pub const FEATURE_POSITION: u32 = 1 << 3;
/// [`RegionInfo::features`]: [`IOC_EXPORT`], where the kernel has dma-buf.
pub const FEATURE_EXPORT: u32 = 1 << 4;
/// [`RegionInfo::features`]: [`IOC_CONSUMED`].
pub const FEATURE_CONSUMED: u32 = 1 << 5;
/// [`RegionInfo::features`]: [`RingPosition::triggers`] and [`RingReach::triggers`].
pub const FEATURE_TRIGGER: u32 = 1 << 6;

/// Bytes of a [`RegionInfo`] in the first release.
pub const INFO_SIZE_VER0: u32 = 128;

/// Bytes of a [`RegionSync`] in the first release.
pub const SYNC_SIZE_VER0: u32 = 40;

/// Bytes of a [`RegionExport`] in the first release that had it.
pub const EXPORT_SIZE_VER0: u32 = 56;

/// [`RegionInfo::flags`]: mappings and loads may write to the region.
pub const REGION_WRITABLE: u32 = 1 << 0;
/// [`RegionInfo::flags`]: every page frame of the region has a `struct page`, so the kernel engine
/// and mappings of it move data without a copy.
pub const REGION_PAGES: u32 = 1 << 1;
/// [`RegionInfo::flags`]: the node says that a device writes the region.
pub const REGION_DEVICE_WRITES: u32 = 1 << 2;
/// [`RegionInfo::flags`]: a device writes or reads the region, and processors' caches do not see what it does.
pub const REGION_NONCOHERENT: u32 = 1 << 3;
/// [`RegionInfo::flags`]: some page frames of the region, but not all, have a `struct page`.
pub const REGION_SOME_PAGES: u32 = 1 << 4;
/// [`RegionInfo::flags`]: the node says that a device reads the region.
pub const REGION_DEVICE_READS: u32 = 1 << 5;
/// [`RegionInfo::flags`]: the region is a ring, and the node says where its device's position is.
pub const REGION_POSITION: u32 = 1 << 6;

/// Answer of [`IOC_INFO`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct RegionInfo {
    /// [`ABI_REVISION`] of the module; not zero.
    pub abi: u32,
    /// `REGION_*`.
    pub flags: u32,
    /// Physical address of the first byte.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// Size of a page in bytes: the granularity of mappings.
    pub page_size: u32,
    /// `FEATURE_*`: what this module can do on this kernel.
    pub features: u32,
    /// NUL-terminated label, the name of the device node below `/dev/resmem`.
    pub label: [u8; LABEL_BYTES],
    /// Zero.
    pub reserved: [u64; 4],
}

/// Argument of [`IOC_SYNC`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RegionSync {
    /// First byte within the region.
    pub region_offset: u64,
    /// Bytes; not zero.
    pub length: u64,
    /// `SYNC_FOR_*`.
    pub direction: u32,
    /// Zero.
    pub flags: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Argument and answer of [`IOC_EXPORT`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RegionExport {
    /// In: first byte within the region, a multiple of the size of a page.
    pub region_offset: u64,
    /// In: bytes, a multiple of the size of a page; 0: as many as there are to the region's end. Out: how many.
    pub length: u64,
    /// In: `EXPORT_*`.
    pub flags: u32,
    /// Out: the descriptor.
    pub fd: i32,
    /// In: zero.
    pub reserved: [u64; 4],
}

const _: () = {
    use core::mem::{align_of, offset_of, size_of};

    assert!(size_of::<RegionInfo>() == 128 && align_of::<RegionInfo>() == 8);
    assert!(offset_of!(RegionInfo, base) == 8);
    assert!(offset_of!(RegionInfo, size) == 16);
    assert!(offset_of!(RegionInfo, page_size) == 24);
    assert!(offset_of!(RegionInfo, features) == 28);
    assert!(offset_of!(RegionInfo, label) == 32);
    assert!(offset_of!(RegionInfo, reserved) == 96);

    assert!(size_of::<RegionSync>() == 40 && align_of::<RegionSync>() == 8);
    assert!(offset_of!(RegionSync, direction) == 16);
    assert!(offset_of!(RegionSync, reserved) == 24);

    assert!(size_of::<RegionExport>() == 56 && align_of::<RegionExport>() == 8);
    assert!(offset_of!(RegionExport, flags) == 16);
    assert!(offset_of!(RegionExport, fd) == 20);
    assert!(offset_of!(RegionExport, reserved) == 24);
};
