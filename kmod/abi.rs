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

mod region;
mod ring;
mod transfer;

pub use region::*;
pub use ring::*;
pub use transfer::*;

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
/// value that is no place in the ring; `EIO` for a word that cannot be looked at, and for a value of 64 bits whose upper
/// half does not stand still, as of one in the other byte order; what a system controller answers; `ENODEV` when the
/// driver was unbound.
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
