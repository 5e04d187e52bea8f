// SPDX-License-Identifier: MIT
//! A thread of the fuzzer draws operations, makes them, and keeps those that had a new outcome as seeds.
//!
//! What a thread draws depends on its generator and on outcomes of its own. Those that time decides are not kept,
//! but a signal or another thread may turn any other into one of these: the same seed makes the same draws up to
//! there.

use super::kinds::KINDS;
use super::op::Op;
use super::ring::ENTRIES;
use super::shared::Board;
use super::thread::Thread;
use super::value::{Bounds, mutate};

/// Most seeds that are kept.
const SEEDS: usize = 512;

/// Sum of what the kinds weigh.
fn weights() -> u32 {
    KINDS.iter().map(|kind| kind.weight).sum()
}

impl Thread<'_> {
    /// Draws an operation.
    pub fn draw(&mut self) -> Op {
        // Most calls want an open node.
        if let (Some(slot), true) = (self.nodes.empty(), self.rng.bool()) {
            // The first kind: open.
            let mut op = Op::default();
            op.args[0] = slot as u64;
            for (at, class) in op.kind().args.iter().enumerate().skip(1) {
                let bounds = self.bounds(&op);
                op.args[at] = class.draw(&mut self.rng, bounds);
            }
            return op;
        }
        if !self.seeds.is_empty() && self.rng.bool() {
            let mut op = self.seeds[self.rng.usize(..self.seeds.len())];
            let bounds = self.bounds(&op);
            for _ in 0..self.rng.u8(1..=2) {
                let classes = op.kind().args;
                let at = self.rng.usize(..classes.len());
                op.args[at] = mutate(&mut self.rng, classes[at], op.args[at], bounds);
            }
            return op;
        }
        let mut left = self.rng.u32(..weights());
        let kind = KINDS.iter().position(|kind| {
            let found = left < kind.weight;
            left = left.wrapping_sub(kind.weight);
            found
        });
        let mut op = Op {
            kind: kind.unwrap_or(0) as u32,
            ..Op::default()
        };
        for (at, class) in op.kind().args.iter().enumerate() {
            let bounds = self.bounds(&op);
            op.args[at] = class.draw(&mut self.rng, bounds);
        }
        op
    }

    /// What the arguments of an operation are drawn about.
    fn bounds(&mut self, op: &Op) -> Bounds {
        let region = match op.kind().name {
            "munmap" | "mremap" | "mprotect" | "madvise" | "look" | "store" | "direct" => {
                self.maps.get(op.args[0]).map_or(0, |map| map.region)
            }
            "fixed" => {
                let held = self.ring.table[op.args[0] as usize % ENTRIES];
                held.map_or(0, |held| held.region)
            }
            _ => self.nodes.get(op.args[0]).region,
        };
        Bounds {
            size: self.setting.regions[region].info.size,
            page: self.page as u64,
        }
    }

    /// Makes an operation, and counts its outcome.
    pub fn make(&mut self, op: &Op, board: &mut Board) -> Result<i32, String> {
        let outcome =
            (op.kind().run)(self, &op.args).map_err(|violation| format!("{op}: {violation}"))?;
        self.nodes.kept = self.ring.holds();
        board.count(op.kind as usize, outcome.errno);
        let signature = u64::from(op.kind) << 56 | (outcome.errno as u64) << 40 | outcome.state;
        // What went well leads further more often than what was refused.
        let kept = outcome.errno == 0 || self.rng.u8(..4) == 0;
        if board.sign(signature) && outcome.steady && kept {
            if self.seeds.len() < SEEDS {
                self.seeds.push(*op);
            } else {
                let at = self.rng.usize(..SEEDS);
                self.seeds[at] = *op;
            }
        }
        Ok(outcome.errno)
    }
}
