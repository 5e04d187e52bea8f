// SPDX-License-Identifier: MIT

//! How a ring is to be recorded, and what became of it.

use std::time::Duration;

use nix::errno::Errno;
use resdump_format::recording::{
    layout::Gaps,
    planner::{Account, Flaw},
    proof::Ring,
};

/// How a ring is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The ring.
    pub ring: Ring,
    /// Declared greatest rate in bytes a second, or 0.
    pub max_rate: u64,
    /// The position is a place in the ring alone.
    pub bounded: bool,
    /// Longest time between two looks at the position.
    pub patience: Option<Duration>,
    /// Bytes of those in the ring that belong to the recording.
    pub history: u64,
    /// Most bytes of a write.
    pub chunk: u64,
    /// Most writes in flight.
    pub depth: usize,
    /// Block of the disk.
    pub block: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// What becomes of lost bytes.
    pub gaps: Gaps,
    /// Most bytes of this run on disk.
    pub max_size: Option<u64>,
    /// Bytes of the file system that are left.
    pub keep_free: u64,
    /// How long.
    pub duration: Option<Duration>,
    /// Between two checkpoints.
    pub checkpoint: Duration,
    /// It keeps its last bytes alone, and those around triggers.
    pub keep: Option<Keep>,
    /// Of one that begins with a trigger of the device: where that was. [`Self::history`] ends there.
    pub since: Option<u64>,
    /// It begins with a trigger, and ends so many bytes behind the last one, rounded up to a block.
    pub post: Option<u64>,
}

/// What is kept of a recording that goes on for ever. Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The last ones, at least.
    pub last: u64,
    /// Before and behind a trigger, for ever; `None`: a trigger is noted, and keeps nothing.
    pub around: Option<(u64, u64)>,
    /// Size of the index from which on it is written again, without what is gone.
    pub index: u64,
}

impl Limits {
    /// Milliseconds that the disk can stand still without a loss, while the device writes `rate` bytes a second; `None` where
    /// the ring has no room for that, or the rate is 0.
    pub fn stall_held(&self, rate: u64) -> Option<u128> {
        let used = self.chunk.saturating_mul(2).saturating_add(self.ring.lead);
        let room = self.ring.size.checked_sub(used)?;
        (u128::from(room) * 1000).checked_div(rate.into())
    }
}

/// Where a recording is.
#[derive(Clone, Debug)]
pub struct State {
    /// Totals.
    pub account: Account,
    /// Bytes that the device has put into memory.
    pub produced: u64,
    /// The longest time that a write took.
    pub stall: Duration,
    /// How often the recorder woke up to look.
    pub wakeups: u64,
}

/// What failed, where that is the ring or its device, not the disk.
pub(crate) const NO_POSITION: &str = "cannot read the position";
pub(crate) const NO_WAIT: &str = "cannot wait for the device";
pub(super) const NO_CONSUMER: &str = "cannot write the consumer register";

/// Whether `what` has failed is the ring's or its device's failure, not the disk's.
pub fn is_of_ring(what: &str) -> bool {
    [NO_POSITION, NO_WAIT, NO_CONSUMER].contains(&what)
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// Totals.
    pub state: State,
    /// Number of the first segment.
    pub first: u64,
    /// Segments that were begun.
    pub segments: u64,
    /// What ended it, unless that was asked for.
    pub failure: Option<(&'static str, Errno)>,
    /// It ended because its place was used up.
    pub full: bool,
    /// Bytes that were on disk and made room.
    pub discarded: u64,
}

/// Why it was not begun.
#[derive(Debug)]
pub enum Refusal {
    /// By the sizes.
    Flaw(Flaw),
    /// What has the name of an index in the folder is no index of a recorder.
    Foreign(String),
    /// A system call failed.
    System(&'static str, Errno),
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}
