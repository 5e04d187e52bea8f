// SPDX-License-Identifier: MIT

//! The commands of `/dev/resmem/<label>` as functions.
//!
//! The command numbers come from nix's macros, which know how each architecture encodes direction
//! and size.
//!
//! # Safety
//!
//! For each of them: the descriptor is an open `/dev/resmem/<label>` (the numbers may mean anything
//! to another driver), and the pointer is valid for reads and writes of its type.

#![allow(
    missing_docs,
    reason = "nix's macros take a doc comment, but not a `# Safety` section of their own"
)]

use crate::abi::{
    IOC_CONSUMED, IOC_DOORBELL, IOC_DUMP, IOC_EXPORT, IOC_INFO, IOC_LOAD, IOC_POSITION, IOC_REACH,
    IOC_REGISTER, IOC_SNAPSHOT, IOC_SNAPSHOT_STATUS, IOC_SYNC, IOC_TYPE, IOC_WATCH, RegionExport,
    RegionInfo, RegionSync, RegisterBuffer, RingConsumed, RingDoorbell, RingPosition, RingReach,
    RingWatch, Snapshot, SnapshotStatus, Transfer,
};

/// The operation of [`IOC_REGISTER`] in an `IORING_OP_URING_CMD`.
#[allow(
    clippy::unnecessary_cast,
    reason = "request numbers have the width of a C long"
)]
pub const REGISTER: u32 =
    nix::request_code_write!(IOC_TYPE, IOC_REGISTER, size_of::<RegisterBuffer>()) as u32;

/// The operation of [`IOC_REACH`] in an `IORING_OP_URING_CMD`.
#[allow(
    clippy::unnecessary_cast,
    reason = "request numbers have the width of a C long"
)]
pub const REACH: u32 = nix::request_code_write!(IOC_TYPE, IOC_REACH, size_of::<RingReach>()) as u32;

/// The number of `command` for a structure of `size` bytes, as a program of another time knows it.
#[allow(
    clippy::unnecessary_cast,
    reason = "request numbers have the width of a C long"
)]
pub const fn resized(command: u32, size: usize) -> u32 {
    use nix::sys::ioctl::{SIZEMASK, SIZESHIFT};
    let mask = SIZEMASK as u32;
    command & !(mask << SIZESHIFT) | (size as u32 & mask) << SIZESHIFT
}

/// The 16 bytes that are a [`RegisterBuffer`] in memory.
pub fn argument(buffer: RegisterBuffer) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&buffer.region_offset.to_ne_bytes());
    bytes[8..12].copy_from_slice(&buffer.length.to_ne_bytes());
    bytes[12..].copy_from_slice(&buffer.index.to_ne_bytes());
    bytes
}

nix::ioctl_read!(
    /// See [`IOC_INFO`] and the safety section of the module.
    info,
    IOC_TYPE,
    IOC_INFO,
    RegionInfo
);
nix::ioctl_readwrite!(
    /// See [`IOC_DUMP`] and the safety section of the module.
    dump,
    IOC_TYPE,
    IOC_DUMP,
    Transfer
);
nix::ioctl_readwrite!(
    /// See [`IOC_LOAD`] and the safety section of the module.
    load,
    IOC_TYPE,
    IOC_LOAD,
    Transfer
);
nix::ioctl_write_ptr!(
    /// See [`IOC_SYNC`] and the safety section of the module.
    sync,
    IOC_TYPE,
    IOC_SYNC,
    RegionSync
);
nix::ioctl_write_ptr!(
    /// See [`IOC_SNAPSHOT`] and the safety section of the module; the buffer must stay where it is,
    /// and not be looked at, until the snapshot has ended.
    snapshot,
    IOC_TYPE,
    IOC_SNAPSHOT,
    Snapshot
);
nix::ioctl_read!(
    /// See [`IOC_SNAPSHOT_STATUS`] and the safety section of the module.
    snapshot_status,
    IOC_TYPE,
    IOC_SNAPSHOT_STATUS,
    SnapshotStatus
);
nix::ioctl_read!(
    /// See [`IOC_POSITION`] and the safety section of the module.
    position,
    IOC_TYPE,
    IOC_POSITION,
    RingPosition
);
nix::ioctl_write_ptr!(
    /// See [`IOC_DOORBELL`] and the safety section of the module.
    doorbell,
    IOC_TYPE,
    IOC_DOORBELL,
    RingDoorbell
);
nix::ioctl_readwrite!(
    /// See [`IOC_EXPORT`] and the safety section of the module; the descriptor in the answer is the caller's.
    export,
    IOC_TYPE,
    IOC_EXPORT,
    RegionExport
);
nix::ioctl_write_ptr!(
    /// See [`IOC_CONSUMED`] and the safety section of the module.
    consumed,
    IOC_TYPE,
    IOC_CONSUMED,
    RingConsumed
);
nix::ioctl_write_ptr!(
    /// See [`IOC_WATCH`] and the safety section of the module.
    watch,
    IOC_TYPE,
    IOC_WATCH,
    RingWatch
);

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// The numbers as the kernel's `_IOR` and `_IOWR` give them, computed by hand for both
    /// encodings: direction 2 is READ with a shift of 30, or of 29 on PowerPC and MIPS.
    #[test]
    fn command_numbers_are_the_kernels() {
        let powerpc = cfg!(any(target_arch = "powerpc", target_arch = "powerpc64"));
        let read: u64 = if powerpc { 0x4000_0000 } else { 0x8000_0000 };
        let info = nix::request_code_read!(IOC_TYPE, IOC_INFO, size_of::<RegionInfo>());
        let dump = nix::request_code_readwrite!(IOC_TYPE, IOC_DUMP, size_of::<Transfer>());
        let load = nix::request_code_readwrite!(IOC_TYPE, IOC_LOAD, size_of::<Transfer>());
        assert_eq!(info as u64, read | 0x0080_5240);
        let snapshot = nix::request_code_write!(IOC_TYPE, IOC_SNAPSHOT, size_of::<Snapshot>());
        let write: u64 = if powerpc { 0x8000_0000 } else { 0x4000_0000 };
        assert_eq!(snapshot as u64, write | 0x0040_5243);
        let sync = nix::request_code_write!(IOC_TYPE, IOC_SYNC, size_of::<RegionSync>());
        assert_eq!(sync as u64, write | 0x0028_5245);
        assert_eq!(u64::from(REGISTER), write | 0x0010_5246);
        assert_eq!(dump as u64, 0xc068_5241);
        assert_eq!(load as u64, 0xc068_5242);
        assert_eq!(resized(dump as u32, 0x100), 0xc100_5241);
    }
}
