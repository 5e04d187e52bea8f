// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The user ABI of `/dev/resmem/<label>`.
//!
//! Plain `core` code, included by the kernel module and by the `resmem` crate, so that there is
//! one definition; `resmem.h` is the same for C, and a test compares the two. Every field has a fixed
//! width and a natural alignment that does not depend on the architecture (`__aligned_u64`), so that
//! 32-bit programs on a 64-bit kernel need no conversion; there is no padding; all integers are in the
//! byte order of the machine that runs the kernel. Command numbers are built by each side with its own
//! `_IOC` macros (PowerPC encodes direction and size differently from x86) from [`IOC_TYPE`], the
//! `IOC_*` number and the argument type.
//!
//! # Growth
//!
//! A structure grows at its end, and a command keeps its number: a command is known by direction, type
//! and number, and the size in it says how large the caller's structure is.
//!
//! - Larger than the module's (a newer program): what the module does not know must be zero, else the
//!   command fails with `E2BIG`; of an answer it is filled with zeroes.
//! - Smaller (an older program): what it does not have counts as zero; of an answer it gets what it has
//!   room for.
//! - Smaller than in the first release (`*_SIZE_VER0`): `EINVAL`.
//!
//! That is the rule of the kernel's `copy_struct_from_user()`. A field that is zero means what the
//! absence of the field meant. [`RegisterBuffer`], which is part of a queue entry, is of one size.
//! [`RegionInfo::features`] says whether the module has an addition.
//!
//! # Errors of every command
//!
//! `ENOTTY`: not a command. `E2BIG` and `EINVAL` for a size: see above. `EFAULT`: the argument cannot be
//! read, or an answer cannot be written to it. `EINVAL`: a flag that is not known, or a reserved field
//! that is not zero. Nothing has happened in any of these cases, with the one exception that
//! [`Transfer`] names. `ENOMEM`: out of memory.

/// Revision of this ABI, reported in [`RegionInfo::abi`]. Grows with every addition. For reports: what a
/// module can do is in [`RegionInfo::features`].
pub const ABI_REVISION: u32 = 7;

/// `_IOC` type of all commands. Of this type Linux 7.3 uses 00-2F and C0-E0
/// (Documentation/userspace-api/ioctl/ioctl-number.rst); 40-5F is free, and these are from there.
pub const IOC_TYPE: u8 = b'R';

/// `_IOR(IOC_TYPE, IOC_INFO, RegionInfo)`: describe the region. Never sleeps on I/O.
/// No errors of its own.
pub const IOC_INFO: u8 = 0x40;

/// `_IOWR(IOC_TYPE, IOC_DUMP, Transfer)`: write a range of the region to a file descriptor by
/// direct I/O from the region's own pages. Blocks until nothing is in flight.
///
/// What the device cannot access itself (memory without a `struct page`, an address that is not
/// aligned as direct I/O wants it) goes through bounce buffers that are written by direct I/O too.
/// A first or last block of the target that the range covers in part goes through the target's page
/// cache and is on the medium when the command returns. Both are counted in [`Transfer::copied`];
/// [`TRANSFER_STRICT`] refuses them.
///
/// Of a region that a device writes, the processors first see what it has written, as by [`SYNC_FOR_CPU`]
/// through a descriptor for reading, unless [`TRANSFER_NO_SYNC`] is set.
///
/// Errors before anything is moved: `EBADF` for a node that is not open for reading; `EINVAL` for a chunk
/// or depth out of its bounds or an empty range; `EOVERFLOW` for a range of the region or of the target
/// that wraps; `ERANGE` for one that leaves the region. For the descriptor: `EBADF` not open, or not for
/// writing; `ESPIPE` cannot seek; `EINVAL` neither a regular file nor a block device (other character
/// devices, `/dev/resmem/*` included), without `O_DIRECT`, with `O_APPEND`, or with direct I/O in blocks
/// of more than 32 KiB. Its file system must either say what direct I/O on the file needs (ext4, XFS, F2FS,
/// NFS; a block device does) or lie on a block device, FUSE excepted; else it is `EOPNOTSUPP`, for direct I/O
/// there may copy, as on tmpfs, FUSE, btrfs, CIFS and 9p. What asking for its attributes fails with. With
/// [`TRANSFER_STRICT`], `ENXIO` and `EINVAL` as described there. `ENODEV`: a device writes the region, and
/// its driver was unbound meanwhile.
///
/// Errors that stop it: those with which the target's file system or device answers a direct write, such
/// as `ENOSPC`, `EDQUOT`, `EFBIG`, `EIO`, `EROFS`; `ENOMEM`; and `EINTR`: a signal is pending, or what stops the
/// process otherwise ended the wait: a tracer that attaches or interrupts it, the freezer of control groups of
/// version 2. Nothing is wrong with target or region: a program that shall not stop asks for the rest
/// again. A system that suspends freezes the process within the call, which continues afterwards.
pub const IOC_DUMP: u8 = 0x41;

/// `_IOWR(IOC_TYPE, IOC_LOAD, Transfer)`: the way back, file descriptor to region.
///
/// As [`IOC_DUMP`], with the descriptor open for reading, and the device node for writing
/// (`EBADF`); the region must be writable (`EPERM`, asked first). `ENODATA`: the file ends before.
///
/// The range of a region that a device shares ([`IOC_SYNC`]) is the processors' meanwhile, and the device's
/// afterwards, whatever was moved. `ENODEV` when its driver was unbound meanwhile: nothing counts as moved then,
/// for it may not have reached memory. With [`TRANSFER_NO_SYNC`] its owner does not change. Where caches are not
/// coherent: `EBUSY` for a range that the device owns and [`TRANSFER_NO_SYNC`], or another load of a part of
/// the range; `ENOSPC` as for [`IOC_SYNC`].
pub const IOC_LOAD: u8 = 0x42;

/// `_IOW(IOC_TYPE, IOC_SNAPSHOT, Snapshot)`: start to fill a buffer of the caller from the region
/// and return at once; a kernel worker does the copying.
///
/// The buffer's pages are pinned until it is done. Closing the file (or the end of the process)
/// stops it. [`IOC_SNAPSHOT_STATUS`], `poll` (`POLLIN`, once a snapshot was started) and the eventfd, if
/// there is one, report the end. Errors: `EBADF` for a node that is not open for reading,
/// or no eventfd; `EBUSY` one is running on this file, or is being started; `EFAULT` the buffer is not all
/// writable memory of the process; `ERANGE`, `EOVERFLOW`, `EINVAL` as for [`IOC_DUMP`]; `EINVAL` also for more
/// than [`SNAPSHOT_MAX`] bytes, and for a buffer in reserved memory, such as a mapping of this region or
/// another; `ENOMEM` for more than `RLIMIT_MEMLOCK` lets the user have pinned, without `CAP_IPC_LOCK`; `EINTR`
/// a signal came while the buffer was pinned; `ENODEV` as for [`IOC_DUMP`]. What stops it later is in
/// [`SnapshotStatus::error`]: `ECANCELED`, or `ENODEV`.
pub const IOC_SNAPSHOT: u8 = 0x43;

/// `_IOR(IOC_TYPE, IOC_SNAPSHOT_STATUS, SnapshotStatus)`: what became of the last snapshot that was
/// started on this file. No errors of its own.
pub const IOC_SNAPSHOT_STATUS: u8 = 0x44;

/// `_IOW(IOC_TYPE, IOC_SYNC, RegionSync)`: hand a range over between a device that shares the region (writes or
/// reads it) and the processors, on a machine whose caches do not see what devices do
/// ([`REGION_NONCOHERENT`]); elsewhere nothing needs to be done, nor is.
///
/// Each byte has one owner. When the driver is bound that is the device. A sync to the present owner is
/// nothing. Handing over takes the right to write: a node that is open for writing. Through another descriptor,
/// [`SYNC_FOR_CPU`] shows the processors what the device has written to what it owns, and the owner stays the
/// same, so that the next one looks again. Dumps, reads, snapshots, registered buffers and new mappings that
/// cannot be written to do that themselves; a new mapping that can be written to makes its range the
/// processors'. The command is for programs that keep a mapping, or map `/dev/mem`.
///
/// Ranges are widened to whole cache lines. Nothing is changed in memory by looking.
///
/// Errors: `EINVAL` for a direction other than those two; `ERANGE`, `EOVERFLOW` as for [`IOC_DUMP`];
/// `EOPNOTSUPP` where no node says that a device shares the region; for [`SYNC_FOR_DEVICE`] `EPERM` where the
/// region is not writable, `EBADF` for a node that is not open for writing, and `EBUSY` while a part of the range
/// is being loaded; `ENOSPC` when the owners of the region alternate too often for the module's memory; `ENODEV`
/// when the driver was unbound meanwhile.
pub const IOC_SYNC: u8 = 0x45;

/// `_IOW(IOC_TYPE, IOC_REGISTER, RegisterBuffer)`, not for `ioctl` but as the operation of an
/// `IORING_OP_URING_CMD` on the node, with a [`RegisterBuffer`] as the command's 16 bytes: makes a range
/// of the region a fixed buffer of the ring, whose table has a free entry there
/// (`IORING_REGISTER_BUFFERS2`, sparse). `IORING_OP_WRITE_FIXED` then writes from the region's own
/// pages, addresses counted from the begin of the range: nothing is mapped, pinned or copied. The
/// buffer cannot be read into. It holds the node open until it is unregistered, or the ring ends.
///
/// Of a region that a device writes, the processors first see what it has written, as for [`IOC_DUMP`].
///
/// Errors: `ENXIO` where memory of the range has no `struct page`; `EBADF` for a node that is not open
/// for reading; `EINVAL` for more than [`REGISTER_MAX`] bytes, an empty range or an index beyond the
/// ring's table; `EBUSY` for an entry in use; `ERANGE`, `EOVERFLOW`, `ENODEV` as for [`IOC_DUMP`];
/// `EOPNOTSUPP` from a kernel without io_uring's kernel buffers (no [`FEATURE_REGISTER`]); `ENOTTY` for
/// another operation, and for a structure of another size.
pub const IOC_REGISTER: u8 = 0x46;

/// `_IOR(IOC_TYPE, IOC_POSITION, RingPosition)`: where the device is in the ring that the region is, read from the
/// device now: after everything that the caller has seen before, and before everything that it does afterwards.
///
/// Errors: `EBADF` for a node that is not open for reading; `EOPNOTSUPP` where no node says where the device's
/// position is ([`REGION_POSITION`]); `ENODATA` from a program's doorbell that has not been rung yet; `ERANGE` for a
/// value that is no place in the ring; `EIO` for a value of 64 bits whose upper half does not stand still, as of one in
/// the other byte order; what a system controller answers; `ENODEV` when the driver was unbound.
pub const IOC_POSITION: u8 = 0x47;

/// `_IOW(IOC_TYPE, IOC_DOORBELL, RingDoorbell)`: a program that drives the device publishes its position. Wakes up
/// processes that wait for it.
///
/// What it has written to the ring before is in memory for a process that reads the position. Errors: as for
/// [`IOC_POSITION`]; `EOPNOTSUPP` also where the position does not come from a program ([`POSITION_PROGRAM`]);
/// `ERANGE` for a value that is no place in the ring: the position is the one before.
pub const IOC_DOORBELL: u8 = 0x48;

/// `_IOW(IOC_TYPE, IOC_WATCH, RingWatch)`: from now on `poll` says `POLLPRI` on this open file once the device has
/// reached a position, and 1 is added to an eventfd then, once. Replaces what was watched for before.
///
/// Without an interrupt of the device a timer of the module looks, as long as the position is not reached. Errors:
/// as for [`IOC_POSITION`], but for `ENODATA`; `EBADF` also for no eventfd. After the driver was unbound `poll` says
/// `POLLERR`.
pub const IOC_WATCH: u8 = 0x49;

/// `_IOW(IOC_TYPE, IOC_REACH, RingReach)`, not for `ioctl` but as the operation of an `IORING_OP_URING_CMD` on the
/// node, with a [`RingReach`] as the command's 16 bytes: completes with 0 when the device has reached a position, or
/// when a trigger has come. It ends with its ring, or the process (`ECANCELED`); `IORING_OP_ASYNC_CANCEL` does not find
/// it.
///
/// Errors: as for [`IOC_WATCH`]; `EBUSY` when [`REACH_MAX`] are waiting on this region; `EINVAL` for a trigger where the
/// node has no interrupt for one ([`POSITION_TRIGGER`]).
pub const IOC_REACH: u8 = 0x4a;

/// `_IOWR(IOC_TYPE, IOC_EXPORT, RegionExport)`: makes a dma-buf of whole pages of the region, which other drivers
/// import: they move bytes between their devices and the region's own pages. Its descriptor keeps the module loaded,
/// and outlives the node's.
///
/// What an importer has mapped is in use as by a request, until it is unmapped: as by [`IOC_DUMP`] where its device reads
/// only, else, and where its processors map it (`vmap`), as by [`IOC_LOAD`] without [`TRANSFER_NO_SYNC`]. The dma-buf is
/// mapped by processes as the node is, and `DMA_BUF_IOCTL_SYNC` says when they access it: its begin takes the range from
/// a device that shares the region if they write, and looks at what that wrote if they read; its end gives back what
/// they wrote, unless a load or an importer has the range, which does that itself.
///
/// Errors: `EBADF` for a node that is not open for reading, or, with [`EXPORT_WRITE`], not for writing; `EPERM` for that
/// on a region that is not writable; `EINVAL` for a range that is not of whole pages, or more than a `size_t` counts;
/// `ERANGE`, `EOVERFLOW` as for [`IOC_DUMP`]; `ENXIO` where memory of the range has no `struct page`; `ENODEV` when the
/// driver was unbound; `EOPNOTSUPP` from a kernel without dma-buf (no [`FEATURE_EXPORT`]); `EMFILE`, `ENFILE` for too
/// many descriptors or files.
///
/// Errors for importers: `EACCES` for a mapping that could write without [`EXPORT_WRITE`] (`EINVAL` by `vmap`), and for
/// `DMA_BUF_IOCTL_SYNC` of processors that write; `ENODEV` for what is attached or mapped after the driver was unbound
/// (what is mapped by then stays usable: the pages stay reserved); `EBUSY`, `ENOSPC`, `EIO`, `EINTR` as for
/// [`IOC_LOAD`]; what mapping for their device fails with.
pub const IOC_EXPORT: u8 = 0x4b;

/// `_IOW(IOC_TYPE, IOC_CONSUMED, RingConsumed)`: what the device wrote before a position was taken, and it may write
/// there again. The module writes that to the device, in the units of its position, where the node says so
/// ([`POSITION_CONSUMER`]); a device with flow control stops before it overwrites what was not taken. What the caller has
/// seen before comes before the write, on the bus as well. A position before the last one is nothing.
///
/// Errors: as for [`IOC_POSITION`]; `EOPNOTSUPP` also where the device is not told; `ERANGE` also for a position that the
/// device has not reached, or has passed by more than the ring; what a system controller answers.
pub const IOC_CONSUMED: u8 = 0x4c;

/// [`RegionExport::flags`]: importers and mappings may write. Without it nothing can write by the descriptor.
pub const EXPORT_WRITE: u32 = 1 << 0;
/// [`RegionExport::flags`]: the descriptor is closed by `execve` (`O_CLOEXEC`).
pub const EXPORT_CLOEXEC: u32 = 1 << 1;

/// Most [`IOC_REACH`] that wait on a region at a time.
pub const REACH_MAX: u32 = 64;

/// [`RingPosition::evidence`]: the value counts more than laps, and cannot have repeated since it was read before.
pub const EVIDENCE_EXACT: u32 = 0;
/// [`RingPosition::evidence`]: the value is a place in the ring; by the greatest rate of the device it cannot have
/// done a lap since it was read before.
pub const EVIDENCE_BOUNDED: u32 = 1;
/// [`RingPosition::evidence`]: it was read too late, or the device was started again: laps may be missing.
pub const EVIDENCE_UNKNOWN: u32 = 2;

/// [`RingPosition::flags`]: a program rings the doorbell.
pub const POSITION_PROGRAM: u32 = 1 << 0;
/// [`RingPosition::flags`]: an interrupt of the device wakes up who waits, not a timer.
pub const POSITION_INTERRUPT: u32 = 1 << 1;
/// [`RingPosition::flags`]: the position is a place in the ring alone; see [`EVIDENCE_BOUNDED`].
pub const POSITION_BOUNDED: u32 = 1 << 2;
/// [`RingPosition::flags`]: an interrupt of the device is a trigger: [`RingPosition::triggers`] counts it.
pub const POSITION_TRIGGER: u32 = 1 << 3;
/// [`RingPosition::flags`]: the device can be told what was taken: [`IOC_CONSUMED`].
pub const POSITION_CONSUMER: u32 = 1 << 4;

/// Longest range of one [`IOC_REGISTER`] in bytes.
pub const REGISTER_MAX: u32 = 1 << 30;

/// [`RegionSync::direction`]: what the device wrote is what processors read from now on. What processors
/// wrote to what the device owned is lost.
pub const SYNC_FOR_CPU: u32 = 0;
/// [`RegionSync::direction`]: what processors wrote is in memory from now on, and will not overwrite what
/// the device writes. Processors must not access them until the next [`SYNC_FOR_CPU`].
pub const SYNC_FOR_DEVICE: u32 = 1;

/// Longest snapshot in bytes: what a caller can have pinned at a time through one open file.
pub const SNAPSHOT_MAX: u64 = 64 << 20;

/// [`SnapshotStatus::state`]: none was started.
pub const SNAPSHOT_NONE: u32 = 0;
/// [`SnapshotStatus::state`]: it is being copied.
pub const SNAPSHOT_RUNNING: u32 = 1;
/// [`SnapshotStatus::state`]: all bytes are there, or [`SnapshotStatus::error`] says why not; the
/// pages are the caller's own again.
pub const SNAPSHOT_DONE: u32 = 2;

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
/// Bytes of a [`Transfer`] in the first release.
pub const TRANSFER_SIZE_VER0: u32 = 104;
/// Bytes of a [`Snapshot`] in the first release.
pub const SNAPSHOT_SIZE_VER0: u32 = 64;
/// Bytes of a [`SnapshotStatus`] in the first release.
pub const SNAPSHOT_STATUS_SIZE_VER0: u32 = 32;
/// Bytes of a [`RegionSync`] in the first release.
pub const SYNC_SIZE_VER0: u32 = 40;
/// Bytes of a [`RingPosition`] in the first release that had it.
pub const POSITION_SIZE_VER0: u32 = 112;
/// Bytes of a [`RingDoorbell`] in the first release that had it.
pub const DOORBELL_SIZE_VER0: u32 = 32;
/// Bytes of a [`RingWatch`] in the first release that had it.
pub const WATCH_SIZE_VER0: u32 = 32;
/// Bytes of a [`RingConsumed`] in the first release that had it.
pub const CONSUMED_SIZE_VER0: u32 = 32;
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

/// Answer of [`IOC_POSITION`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingPosition {
    /// Bytes since the device was started, or since it was looked at first, such that modulo [`Self::ring`] it is
    /// the offset in the ring of the byte that is written next. Never less than in an answer before.
    pub position: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`, from before the value was read.
    pub time: u64,
    /// How often the position was lost. When it is another number than in the answer before, `position` has grown by
    /// the least that is possible.
    pub breaks: u64,
    /// What the device says.
    pub raw: u64,
    /// Bytes of the ring.
    pub ring: u64,
    /// Bytes that the device may have written beyond its position.
    pub lead: u64,
    /// Bytes before its position that may not be in memory yet.
    pub lag: u64,
    /// Bytes a second that the device never exceeds, or 0.
    pub max_rate: u64,
    /// Nanoseconds within which the position has to be read again to be sure; 0: any time.
    pub patience: u64,
    /// `EVIDENCE_*`.
    pub evidence: u32,
    /// `POSITION_*`.
    pub flags: u32,
    /// How many interrupts that are triggers have come, modulo the size of a word of the machine.
    pub triggers: u64,
    /// Where the device was seen first after the last of them: not before where it was when that came.
    pub trigger: u64,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Argument of [`IOC_DOORBELL`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingDoorbell {
    /// As the device would say it: of the kind, in the units and of the bits of the node.
    pub raw: u64,
    /// Zero.
    pub flags: u64,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Argument of [`IOC_WATCH`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingWatch {
    /// A position as in [`RingPosition::position`].
    pub position: u64,
    /// An eventfd, or -1.
    pub eventfd: i32,
    /// Zero.
    pub flags: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Argument of [`IOC_REACH`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingReach {
    /// A position as in [`RingPosition::position`].
    pub position: u64,
    /// 0, or 1 more than a [`RingPosition::triggers`]: the command completes as well when that is another number.
    pub triggers: u64,
}

/// Argument of [`IOC_CONSUMED`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingConsumed {
    /// A position as in [`RingPosition::position`].
    pub position: u64,
    /// Zero.
    pub flags: u64,
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

    assert!(size_of::<RegionSync>() == 40 && align_of::<RegionSync>() == 8);
    assert!(offset_of!(RegionSync, direction) == 16);
    assert!(offset_of!(RegionSync, reserved) == 24);

    assert!(size_of::<RegisterBuffer>() == 16 && align_of::<RegisterBuffer>() == 8);
    assert!(offset_of!(RegisterBuffer, length) == 8);
    assert!(offset_of!(RegisterBuffer, index) == 12);

    assert!(size_of::<RingPosition>() == 112 && align_of::<RingPosition>() == 8);
    assert!(offset_of!(RingPosition, evidence) == 72);
    assert!(offset_of!(RingPosition, triggers) == 80);
    assert!(offset_of!(RingPosition, reserved) == 96);
    assert!(size_of::<RingConsumed>() == 32 && align_of::<RingConsumed>() == 8);
    assert!(offset_of!(RingConsumed, reserved) == 16);
    assert!(size_of::<RingDoorbell>() == 32 && align_of::<RingDoorbell>() == 8);
    assert!(size_of::<RingWatch>() == 32 && align_of::<RingWatch>() == 8);
    assert!(offset_of!(RingWatch, reserved) == 16);
    assert!(size_of::<RegionExport>() == 56 && align_of::<RegionExport>() == 8);
    assert!(offset_of!(RegionExport, flags) == 16);
    assert!(offset_of!(RegionExport, fd) == 20);
    assert!(offset_of!(RegionExport, reserved) == 24);
    assert!(size_of::<RingReach>() == 16 && align_of::<RingReach>() == 8);
};
