// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A region that is a ring which a device fills or reads: where the device is, and waiting for it.

#[allow(unused_imports, reason = "links of the documentation")]
use super::*;

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
/// Bytes of a [`RingPosition`] in the first release that had it.
pub const POSITION_SIZE_VER0: u32 = 112;

/// Bytes of a [`RingDoorbell`] in the first release that had it.
pub const DOORBELL_SIZE_VER0: u32 = 32;

/// Bytes of a [`RingWatch`] in the first release that had it.
pub const WATCH_SIZE_VER0: u32 = 32;

/// Bytes of a [`RingConsumed`] in the first release that had it.
pub const CONSUMED_SIZE_VER0: u32 = 32;

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

const _: () = {
    use core::mem::{align_of, offset_of, size_of};

    assert!(size_of::<RingPosition>() == 112 && align_of::<RingPosition>() == 8);
    assert!(offset_of!(RingPosition, evidence) == 72);
    assert!(offset_of!(RingPosition, triggers) == 80);
    assert!(offset_of!(RingPosition, reserved) == 96);

    assert!(size_of::<RingConsumed>() == 32 && align_of::<RingConsumed>() == 8);
    assert!(offset_of!(RingConsumed, reserved) == 16);

    assert!(size_of::<RingDoorbell>() == 32 && align_of::<RingDoorbell>() == 8);

    assert!(size_of::<RingWatch>() == 32 && align_of::<RingWatch>() == 8);
    assert!(offset_of!(RingWatch, reserved) == 16);

    assert!(size_of::<RingReach>() == 16 && align_of::<RingReach>() == 8);
};
