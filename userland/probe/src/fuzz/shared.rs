// SPDX-License-Identifier: MIT
//! Memory that the supervisor shares with the workers, so that it knows what they were doing when they ended.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::op::{COUNT, Op};
use super::sys;

/// Most workers.
pub const WORKERS: usize = 16;
/// Operations that are remembered for a report.
pub const RING: usize = 24;
/// Errnos above this are counted together.
const ERRNOS: usize = 134;
const SIGNATURE_BITS: usize = 1 << 20;
const VIOLATION: usize = 1024;

/// What one worker tells. Only that worker writes.
pub struct Board {
    /// Operations begun.
    pub begun: AtomicU32,
    /// Set when it has let go of everything, before its operation of that number.
    pub resting: AtomicU32,
    ring: [Op; RING],
    outcomes: [[u32; ERRNOS]; COUNT],
    signatures: [u8; SIGNATURE_BITS / 8],
}

/// What all of them share.
pub struct Shared {
    /// One a worker.
    pub boards: [Board; WORKERS],
    /// Number of the rest that the supervisor has ended.
    pub rests_ended: AtomicU32,
    violated: AtomicU32,
    violation: [u8; VIOLATION],
}

impl Shared {
    /// Zeroed memory that children share.
    pub fn new() -> Result<&'static mut Self, i32> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let address = sys::mmap(0, size_of::<Self>(), protection, flags, -1, 0)?;
        // SAFETY: The mapping is new, as large as that and never taken away; zeroes are a value.
        Ok(unsafe { &mut *std::ptr::with_exposed_provenance_mut::<Self>(address) })
    }

    /// Notes a violation; the first one counts.
    pub fn violate(&mut self, text: &str) {
        if self.violated.swap(1, Relaxed) == 0 {
            let length = text.len().min(VIOLATION);
            self.violation[..length].copy_from_slice(&text.as_bytes()[..length]);
            self.violated.store(2, Relaxed);
        }
    }

    /// Whether there is one.
    pub fn is_violated(&self) -> bool {
        self.violated.load(Relaxed) != 0
    }

    /// The violation, once it is written down.
    pub fn violation(&self) -> Option<String> {
        (self.violated.load(Relaxed) == 2).then(|| {
            let end = self.violation.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&self.violation[..end.unwrap_or(VIOLATION)]).into_owned()
        })
    }
}

impl Board {
    /// To be called before an operation is made.
    pub fn begin(&mut self, index: u32, op: &Op) {
        self.ring[index as usize % RING] = *op;
        self.begun.store(index + 1, Relaxed);
    }

    /// Counts an outcome.
    pub fn count(&mut self, kind: usize, errno: i32) {
        self.outcomes[kind][(errno as usize).min(ERRNOS - 1)] += 1;
    }

    /// Notes a signature; `true` when it is new to this worker.
    pub fn sign(&mut self, signature: u64) -> bool {
        set(&mut self.signatures, signature)
    }

    /// The last operations, oldest first, with their numbers.
    pub fn last(&self) -> impl Iterator<Item = (u32, &Op)> {
        let begun = self.begun.load(Relaxed);
        let first = begun.saturating_sub(RING as u32);
        (first..begun).map(|index| (index, &self.ring[index as usize % RING]))
    }

    /// How often each errno came of each kind of operation.
    pub fn outcomes(&self) -> impl Iterator<Item = (usize, usize, u32)> {
        let rows = self.outcomes.iter().enumerate();
        rows.flat_map(|(kind, row)| {
            row.iter()
                .enumerate()
                .map(move |(errno, count)| (kind, errno, *count))
        })
        .filter(|(_, _, count)| *count > 0)
    }
}

/// Distinct signatures of all workers together.
pub fn signatures(boards: &[Board]) -> u32 {
    (0..SIGNATURE_BITS / 8)
        .map(|at| {
            let bits = boards
                .iter()
                .fold(0, |bits, board| bits | board.signatures[at]);
            bits.count_ones()
        })
        .sum()
}

/// A hash of 20 bits: of the few thousand signatures that there are, one in some hundreds shares its bit.
fn set(map: &mut [u8; SIGNATURE_BITS / 8], value: u64) -> bool {
    let hash = (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize;
    let (byte, bit) = (&mut map[hash / 8], 1 << (hash % 8));
    let new = *byte & bit == 0;
    *byte |= bit;
    new
}
