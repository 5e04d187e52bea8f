// SPDX-License-Identifier: MIT

//! What a planner decides.

/// Why a planner refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The block.
    #[error("the block is no power of two, or no write may be in flight")]
    Block,
    /// The ring.
    #[error(
        "the ring is not made of whole blocks of the disk, or lead and lag leave nothing of it"
    )]
    Ring,
    /// The chunk.
    #[error(
        "the chunk is not made of whole blocks of the disk, or larger than the ring less lead and lag"
    )]
    Chunk,
    /// The segment.
    #[error("the segment is not made of whole blocks of the disk, or its number is too large")]
    Segment,
}

/// A write that is to be done. All offsets, and `length`, are multiples of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Names it as long as it is in flight: less than the depth.
    pub slot: usize,
    /// Offset in the stream.
    pub from: u64,
    /// Bytes that belong to the stream.
    pub payload: u64,
    /// Bytes to be written. More than `payload` in the last chunk alone, whose file is to be cut after it.
    pub length: u64,
    /// Offset in the ring. The chunk does not wrap there.
    pub memory: u64,
    /// Number of the segment.
    pub segment: u64,
    /// Offset in its file.
    pub offset: u64,
}

/// How much a write has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A chunk, or what is left up to the end of the ring or of a segment.
    Chunk,
    /// One block at least.
    Blocks,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Submit this write.
    Write(Chunk),
    /// Wait for the device to reach this position (the device's, not the stream's), or for a write to end.
    Wait(u64),
    /// Wait for a write to end.
    Busy,
    /// No place is left.
    Full,
    /// Everything is accounted for.
    Ended,
}

/// Why bytes are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The device had overwritten them before they could be submitted.
    Overrun,
    /// The position was lost: at least so many.
    Unknown,
    /// They could not be written.
    Write,
    /// They were on disk, and had to make room: a recording that keeps its last bytes alone. Not a loss.
    Discarded,
}

/// What was decided on a part of the stream. `place` is where `from` lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Proven whole.
    Data {
        /// First byte.
        from: u64,
        /// The byte after the last.
        to: u64,
        /// Where on disk.
        place: u64,
    },
    /// On disk, and perhaps overwritten while the disk read it.
    Suspect {
        /// First byte.
        from: u64,
        /// The byte after the last.
        to: u64,
        /// Where on disk.
        place: u64,
    },
    /// Not on disk.
    Gap {
        /// First byte.
        from: u64,
        /// The byte after the last.
        to: u64,
        /// Where on disk it would be.
        place: u64,
        /// Why.
        cause: Cause,
    },
}
