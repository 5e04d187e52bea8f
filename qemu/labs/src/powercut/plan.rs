// SPDX-License-Identifier: MIT
//! What is dumped how, and when the power goes: drawn from a seed, which repeats it.

use fastrand::Rng;
use serde::Serialize;

use super::log::Tick;
use super::recorder::Instant;
use super::state::{Cut, Luck};

/// Bytes of the region.
pub const SIZE: u64 = 8 << 20;
/// Bytes a second that a slow disk takes, so that there are checkpoints.
const SLOW: u64 = 2_500_000;
/// Writes and flushes of a dump besides those of its data, roughly.
const OVERHEAD: usize = 25;
/// Flushes of a dump without a checkpoint, roughly.
const FLUSHES: usize = 11;
/// The largest write that the guest's kernel makes.
const LARGEST_WRITE: u64 = 1 << 20;

/// What is made of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file with its bytes.
    Raw,
    /// The same with holes.
    Sparse,
    /// An ELF core.
    Elf,
    /// A compressed file.
    Compressed,
    /// A block device, its manifest in a file system on another disk.
    Device,
}

impl Kind {
    /// All of them, as often as they are drawn.
    const DRAWN: [Self; 8] = [
        Self::Raw,
        Self::Raw,
        Self::Raw,
        Self::Sparse,
        Self::Elf,
        Self::Compressed,
        Self::Device,
        Self::Device,
    ];

    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "file",
            Self::Sparse => "file with holes",
            Self::Elf => "ELF core",
            Self::Compressed => "compressed file",
            Self::Device => "block device",
        }
    }
}

/// The file system that takes it, and what its disk writes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// As `mke2fs` makes it. It cannot be mounted when half of its superblock has been written, which
    /// has two sectors and a check sum: its disk writes 4 KiB as a whole.
    Checked,
    /// Blocks of 4 KiB without check sums, on a disk that writes sector by sector.
    Unchecked,
}

impl FileSystem {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Checked, Self::Unchecked];

    /// Bytes that its disk writes as a whole.
    pub fn unit(self) -> usize {
        match self {
            Self::Checked => 4096,
            Self::Unchecked => 512,
        }
    }

    /// Options of `mke2fs`.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Checked => &[],
            Self::Unchecked => &["-b", "4096", "-O", "^metadata_csum"],
        }
    }
}

/// What is on the disks before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Nothing.
    Fresh,
    /// A complete dump of what the region held before.
    Existing,
    /// One of the states after the cut before this one.
    Continued,
}

/// What is dumped to where.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Variant {
    /// What is made of it.
    pub kind: Kind,
    /// File system of the target, or of its manifest.
    pub file_system: FileSystem,
    /// Bytes.
    pub length: u64,
    /// `--digest`.
    pub digest: Option<&'static str>,
    /// `--verify`.
    pub verify: bool,
    /// Whether an old dump was there at first.
    pub existing: bool,
}

impl Variant {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            kind: Kind::DRAWN[rng.usize(..Kind::DRAWN.len())],
            file_system: FileSystem::ALL[rng.usize(..2)],
            // With a tail that is less than a block, or without.
            length: SIZE - if rng.bool() { 0 } else { 1000 },
            digest: [None, None, Some("crc32c"), Some("sha256")][rng.usize(..4)],
            verify: rng.u8(..4) == 0,
            existing: false,
        }
    }

    /// Whether a dump can be resumed.
    pub fn resumes(&self) -> bool {
        self.kind != Kind::Compressed
    }

    /// The path of the manifest.
    pub fn manifest(&self) -> &'static str {
        match self.kind {
            Kind::Device => "/mnt/raw.json",
            _ => "/mnt/dump.json",
        }
    }

    /// The path of the target; `device` is the raw disk.
    pub fn target<'a>(&self, device: &'a str) -> &'a str {
        match self.kind {
            Kind::Device => device,
            _ => "/mnt/dump",
        }
    }

    /// `dump`, as far as the dump is concerned and not the way to it.
    pub fn dump(&self, device: &str) -> String {
        let mut line = format!("dump capture {}", self.target(device));
        line += match self.kind {
            Kind::Raw => "",
            Kind::Sparse => " --zero-skip",
            Kind::Elf => " --format elf",
            Kind::Compressed => " --compress lz4",
            Kind::Device => " --manifest /mnt/raw.json",
        };
        if self.length < SIZE {
            line += &format!(" --length {}", self.length);
        }
        if let Some(digest) = self.digest {
            line += &format!(" --digest {digest}");
        }
        if self.verify {
            line += " --verify";
        }
        line
    }
}

/// A dump that will be cut short.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Number of the cut, from 1.
    pub number: usize,
    /// What is dumped to where.
    pub variant: Variant,
    /// What is there before.
    pub start: Start,
    /// `--engine`.
    pub engine: &'static str,
    /// `--chunk`, in KiB.
    pub chunk: u64,
    /// `--depth`.
    pub depth: u32,
    /// Bytes a second that the disks take, and a checkpoint a second; else as fast as it goes, and none.
    pub rate: Option<u64>,
    /// When the power goes.
    pub instant: Instant,
    /// Decides on everything after.
    pub seed: u64,
}

impl Plan {
    /// Draws the plan of cut `number`. `previous` is that of the one before, if there was one.
    pub fn draw(seed: u64, number: usize, previous: Option<&Plan>) -> Self {
        // Nearby seeds must not give nearby plans.
        let mixed =
            Rng::with_seed(seed).u64(..) ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let rng = &mut Rng::with_seed(mixed);
        let continued = previous.filter(|it| it.variant.resumes() && rng.u8(..4) == 0);
        let (variant, start) = match continued {
            Some(previous) => (previous.variant, Start::Continued),
            None => {
                let mut variant = Variant::draw(rng);
                variant.existing = rng.bool();
                let start = if variant.existing {
                    Start::Existing
                } else {
                    Start::Fresh
                };
                (variant, start)
            }
        };
        let chunk = [64, 256, 1024][rng.usize(..3)];
        // A slow dump is looked at between windows of what is in flight.
        let rate = rng.bool().then_some(SLOW);
        let chunk = if rate.is_some() {
            chunk.min(256)
        } else {
            chunk
        };
        let pieces = variant.length.div_ceil((chunk << 10).min(LARGEST_WRITE));
        Self {
            number,
            variant,
            start,
            engine: ["kernel", "mmap"][rng.usize(..2)],
            chunk,
            depth: [1, 4][rng.usize(..2)],
            rate,
            instant: instant(rng, pieces as usize, rate.is_some()),
            seed: rng.u64(..),
        }
    }

    /// The command that is cut short. The target is on the disks `/dev/vda` and `/dev/vdb`.
    pub fn command(&self) -> String {
        let mut line = format!(
            "resdump -v {} --checkpoint {}",
            self.variant.dump("/dev/vdb"),
            if self.rate.is_some() { 1 } else { 10 },
        );
        if self.variant.kind != Kind::Compressed {
            line += &format!(
                " --engine {} --chunk {}K --depth {}",
                self.engine, self.chunk, self.depth
            );
        }
        match self.start {
            Start::Fresh => line,
            Start::Existing => line + " --force",
            // What cannot be resumed was not begun, or is an old dump.
            Start::Continued => format!("{line} --resume || {line} --force"),
        }
    }

    /// See [`states`].
    pub fn states(&self, count: usize, armed: Tick, end: Tick) -> Vec<Cut> {
        states(self.seed, count, armed, end)
    }
}

/// The disk states that are examined: at the end, that is at the cut, or before, but not before
/// `armed`.
pub(super) fn states(seed: u64, count: usize, armed: Tick, end: Tick) -> Vec<Cut> {
    let rng = &mut Rng::with_seed(seed);
    let state = |number| Cut {
        moment: if number == 0 || rng.bool() {
            end
        } else {
            rng.usize(armed..=end)
        },
        luck: match (number, rng.u8(..8)) {
            (0, _) | (_, 0) => Luck::None,
            (_, 1) => Luck::All,
            _ => Luck::Some,
        },
        seed: rng.u64(..),
    };
    (0..count).map(state).collect()
}

/// Anywhere in a dump of so many pieces, or soon after one of its flushes: these are few, and what goes
/// wrong goes wrong around them.
fn instant(rng: &mut Rng, pieces: usize, checkpoints: bool) -> Instant {
    let more = if checkpoints { FLUSHES } else { 0 };
    if rng.bool() {
        Instant {
            flushes: 0,
            requests: rng.usize(1..pieces + OVERHEAD + more),
        }
    } else {
        Instant {
            flushes: rng.usize(..FLUSHES + more),
            requests: rng.usize(1..8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(seed: u64) -> Vec<Plan> {
        let mut plans: Vec<Plan> = Vec::new();
        for number in 1..=200 {
            let plan = Plan::draw(seed, number, plans.last());
            plans.push(plan);
        }
        plans
    }

    #[test]
    fn a_seed_repeats_the_plan() {
        let text = |seed| format!("{:?}", plans(seed));
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn everything_is_drawn() {
        let plans = plans(3);
        for kind in Kind::DRAWN {
            for existing in [false, true] {
                for file_system in FileSystem::ALL {
                    let mut variants = plans.iter().map(|plan| plan.variant);
                    assert!(variants.any(|it| it.kind == kind
                        && it.existing == existing
                        && it.file_system == file_system));
                }
            }
        }
        let drawn = |what: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| what(plan)).count();
        assert!(drawn(&|plan| plan.start == Start::Continued) > 20);
        assert!(drawn(&|plan| plan.rate.is_some()) > 40);
        assert!(drawn(&|plan| plan.engine == "mmap") > 60);
        assert!(drawn(&|plan| plan.instant.flushes > 0) > 60);
        assert_eq!(
            drawn(&|plan| plan.start == Start::Continued && !plan.variant.resumes()),
            0
        );
    }

    #[test]
    fn the_first_state_is_that_of_the_cut_without_what_was_not_durable() {
        let plan = plans(4)[0];
        let states = plan.states(100, 50, 60);
        assert_eq!((states[0].moment, states[0].luck), (60, Luck::None));
        assert!(states.iter().all(|state| (50..=60).contains(&state.moment)));
        for luck in [Luck::None, Luck::All, Luck::Some] {
            assert!(states.iter().any(|state| state.luck == luck));
        }
    }
}
