// SPDX-License-Identifier: GPL-2.0

//! Structures of the user ABI as bytes: which of them may come from a process, and which may go to one.
//!
//! No lock is taken here.

use kernel::transmute::{
    AsBytes,
    FromBytes, //
};

use crate::abi;

// SAFETY: Integers and arrays of integers: every bit pattern is a value.
unsafe impl FromBytes for abi::Transfer {}
// SAFETY: As above.
unsafe impl FromBytes for abi::Snapshot {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RegionSync {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RegisterBuffer {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RingDoorbell {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RingWatch {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RingReach {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RingConsumed {}
// SAFETY: As above.
unsafe impl FromBytes for abi::RegionExport {}
// SAFETY: `repr(C)`, and abi.rs asserts offsets and size that leave no room for padding.
unsafe impl AsBytes for abi::Transfer {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RegionInfo {}
// SAFETY: As above.
unsafe impl AsBytes for abi::SnapshotStatus {}
// SAFETY: As above.
unsafe impl AsBytes for abi::Snapshot {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RegionSync {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RingPosition {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RingDoorbell {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RingWatch {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RingConsumed {}
// SAFETY: As above.
unsafe impl AsBytes for abi::RegionExport {}
