// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Moving bytes of a region: dumps and loads, snapshots, fixed buffers of an io_uring.

#[allow(unused_imports, reason = "links of the documentation")]
use super::*;

/// Longest range of one [`IOC_REGISTER`] in bytes.
pub const REGISTER_MAX: u32 = 1 << 30;

/// Longest snapshot in bytes: what a caller can have pinned at a time through one open file.
pub const SNAPSHOT_MAX: u64 = 64 << 20;
/// [`SnapshotStatus::state`]: none was started.
pub const SNAPSHOT_NONE: u32 = 0;
/// [`SnapshotStatus::state`]: it is being copied.
pub const SNAPSHOT_RUNNING: u32 = 1;
/// [`SnapshotStatus::state`]: all bytes are there, or [`SnapshotStatus::error`] says why not; the
/// pages are the caller's own again.
pub const SNAPSHOT_DONE: u32 = 2;

/// Bytes of a [`Transfer`] in the first release.
pub const TRANSFER_SIZE_VER0: u32 = 104;

/// Bytes of a [`Snapshot`] in the first release.
pub const SNAPSHOT_SIZE_VER0: u32 = 64;
/// Bytes of a [`SnapshotStatus`] in the first release.
pub const SNAPSHOT_STATUS_SIZE_VER0: u32 = 32;

/// [`Transfer::flags`]: refuse instead of copying, with `ENXIO` where memory of the range has no
/// `struct page` and `EINVAL` where its address, `file_offset` or `length` is not aligned as the
/// target's direct I/O wants it.
pub const TRANSFER_STRICT: u32 = 1 << 0;
/// [`Transfer::flags`]: leave caches alone; see [`IOC_SYNC`].
pub const TRANSFER_NO_SYNC: u32 = 1 << 1;

/// Smallest chunk in bytes, one page of the largest size that PowerPC Linux offers.
pub const CHUNK_MIN: u32 = 64 << 10;
/// Largest chunk in bytes.
pub const CHUNK_MAX: u32 = 64 << 20;
/// Chunk in bytes that a zero in [`Transfer::chunk`] asks for.
pub const CHUNK_DEFAULT: u32 = 4 << 20;

/// Largest queue depth.
pub const DEPTH_MAX: u32 = 64;
/// Queue depth that a zero in [`Transfer::depth`] asks for.
pub const DEPTH_DEFAULT: u32 = 4;

/// Argument and answer of [`IOC_DUMP`] and [`IOC_LOAD`].
///
/// The command fails (-1 and `errno`) when nothing was moved. Otherwise it returns 0: `error` is 0 and
/// `moved == length`, or `moved < length` and `error` says why it stopped early.
///
/// The answer is written twice. First when the argument has been read, and before anything else is
/// looked at: nothing moved, `error` is `EINPROGRESS`. An argument that cannot be written to is therefore
/// refused with `EFAULT` and nothing has happened. Then at the end, also of a request that is refused:
/// `error` is what the command fails with. Only a process that takes its memory away while the command
/// runs (unmaps it, or makes it read-only) gets `EFAULT` after bytes have been moved; how many is not
/// known then.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Transfer {
    /// In: the other end's file descriptor.
    pub fd: i32,
    /// In: `TRANSFER_*`.
    pub flags: u32,
    /// In: first byte within the region.
    pub region_offset: u64,
    /// In: bytes to move; zero is `EINVAL`.
    pub length: u64,
    /// In: where the first byte goes to (comes from) within the file or device.
    pub file_offset: u64,
    /// In: bytes a request, a multiple of 64 KiB from [`CHUNK_MIN`] to [`CHUNK_MAX`]; 0 means
    /// [`CHUNK_DEFAULT`].
    pub chunk: u32,
    /// In: requests in flight, 1 to [`DEPTH_MAX`]; 0 means [`DEPTH_DEFAULT`].
    pub depth: u32,
    /// Out: length of the contiguous prefix of the range that has been moved, in bytes.
    pub moved: u64,
    /// Out: bytes of `moved` that went by DMA from (to) the region's own pages.
    pub direct: u64,
    /// Out: bytes of `moved` that went through a bounce buffer.
    pub copied: u64,
    /// Out: positive errno of what stopped the transfer, 0 if it is complete. Always one that the C
    /// library knows.
    pub error: u32,
    /// In: zero.
    pub reserved0: u32,
    /// In: zero.
    pub reserved: [u64; 4],
}

/// Argument of [`IOC_SNAPSHOT`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// Address of the buffer in the calling process; any alignment.
    pub address: u64,
    /// Bytes to copy; not zero.
    pub length: u64,
    /// First byte within the region.
    pub region_offset: u64,
    /// An eventfd that 1 is added to at the end, or -1.
    pub eventfd: i32,
    /// Zero.
    pub flags: u32,
    /// Zero.
    pub reserved: [u64; 4],
}

/// Answer of [`IOC_SNAPSHOT_STATUS`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotStatus {
    /// Bytes that have been copied.
    pub copied: u64,
    /// `SNAPSHOT_*`.
    pub state: u32,
    /// Positive errno of what stopped it, or 0.
    pub error: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Argument of [`IOC_REGISTER`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RegisterBuffer {
    /// First byte within the region.
    pub region_offset: u64,
    /// Bytes; not zero.
    pub length: u32,
    /// Entry of the ring's table of fixed buffers.
    pub index: u32,
}

const _: () = {
    use core::mem::{align_of, offset_of, size_of};

    assert!(size_of::<Transfer>() == 104 && align_of::<Transfer>() == 8);
    assert!(offset_of!(Transfer, region_offset) == 8);
    assert!(offset_of!(Transfer, length) == 16);
    assert!(offset_of!(Transfer, file_offset) == 24);
    assert!(offset_of!(Transfer, chunk) == 32);
    assert!(offset_of!(Transfer, depth) == 36);
    assert!(offset_of!(Transfer, moved) == 40);
    assert!(offset_of!(Transfer, direct) == 48);
    assert!(offset_of!(Transfer, copied) == 56);
    assert!(offset_of!(Transfer, error) == 64);
    assert!(offset_of!(Transfer, reserved) == 72);

    assert!(size_of::<Snapshot>() == 64 && align_of::<Snapshot>() == 8);
    assert!(offset_of!(Snapshot, eventfd) == 24);
    assert!(offset_of!(Snapshot, reserved) == 32);

    assert!(size_of::<SnapshotStatus>() == 32 && align_of::<SnapshotStatus>() == 8);
    assert!(offset_of!(SnapshotStatus, state) == 8);
    assert!(offset_of!(SnapshotStatus, reserved) == 16);

    assert!(size_of::<RegisterBuffer>() == 16 && align_of::<RegisterBuffer>() == 8);
    assert!(offset_of!(RegisterBuffer, length) == 8);
    assert!(offset_of!(RegisterBuffer, index) == 12);
};
