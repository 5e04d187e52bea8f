// SPDX-License-Identifier: MIT
//! One thread of the fuzzer: draws operations, makes them, and keeps those that had a new outcome as seeds.
//!
//! What a thread draws depends on its generator and on outcomes of its own. Those that time decides are not kept,
//! but a signal or another thread may turn any other into one of these: the same seed makes the same draws up to
//! there.

use std::os::fd::RawFd;

use fastrand::Rng;

use super::arena::Arena;
use super::maps::Maps;
use super::nodes::{self, COMMON, Nodes, OWN};
use super::op::{KINDS, Op};
use super::ring::{ENTRIES, Ring};
use super::setting::Setting;
use super::shared::Board;
use super::sys;
use super::targets::Targets;
use super::value::{Bounds, mutate};

/// Most seeds that are kept.
const SEEDS: usize = 512;

/// A thread's state.
pub struct Thread<'a> {
    pub setting: &'a Setting,
    /// Among all workers.
    pub number: usize,
    pub page: usize,
    pub arena: Arena,
    pub nodes: Nodes,
    pub maps: Maps,
    pub targets: Targets,
    pub ring: Ring,
    /// For bytes to pass through.
    pub pipe: [RawFd; 2],
    pub sockets: [RawFd; 2],
    pub epoll: RawFd,
    pub aio: libc::c_ulong,
    /// Bytes that a region may hold, to store.
    pub supply: RawFd,
    rng: Rng,
    seeds: Vec<Op>,
    weights: u32,
}

impl<'a> Thread<'a> {
    /// Worker `number` of a run with `seed`.
    pub fn new(setting: &'a Setting, seed: u64, number: usize) -> Result<Self, i32> {
        let mut sockets = [-1; 2];
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: The array is ours.
        sys::called(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, sockets.as_mut_ptr()) })?;
        // SAFETY: Nothing of ours is passed.
        let epoll = sys::called(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })? as RawFd;
        let mut aio: libc::c_ulong = 0;
        // SAFETY: The context is written to `aio`. A kernel without it says so, and nothing is asked of it then.
        let _ = unsafe { libc::syscall(libc::SYS_io_setup, 4, &raw mut aio) };
        // SAFETY: The name is a string.
        let supply =
            sys::called(unsafe { libc::memfd_create(c"supply".as_ptr(), libc::MFD_CLOEXEC) })?
                as RawFd;
        let bytes: Vec<u8> = (0..65536).map(|at| (at % 127) as u8).collect();
        sys::again(|| sys::write_raw(supply, bytes.as_ptr().addr(), bytes.len()))?;
        let mut thread = Self {
            setting,
            number,
            page: setting.regions[0].info.page_size as usize,
            arena: Arena::new()?,
            nodes: Nodes::new(setting.regions.len()),
            maps: Maps::default(),
            targets: Targets::new(setting, number),
            ring: Ring::new()?,
            pipe: sys::pipe()?,
            sockets,
            epoll,
            aio,
            supply,
            rng: Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            seeds: Vec::new(),
            weights: KINDS.iter().map(|kind| kind.weight).sum(),
        };
        thread.open_nodes();
        Ok(thread)
    }

    /// Opens what a thread begins with.
    pub fn open_nodes(&mut self) {
        for slot in 0..OWN {
            let region = (self.number + slot) % self.setting.regions.len();
            let flags = match self.setting.regions[region].writable() {
                true => libc::O_RDWR,
                false => libc::O_RDONLY,
            };
            if let Ok(fd) = sys::open(&self.setting.regions[region].path, flags) {
                self.nodes.put(slot, fd, region, flags);
            }
        }
        for index in 0..COMMON {
            let _ = nodes::open_common(self.setting, index, libc::O_RDONLY);
        }
    }

    /// Lets go of all nodes and mappings.
    pub fn rest(&mut self) -> Result<(), String> {
        self.maps.clear();
        self.ring
            .clear()
            .map_err(|errno| format!("the ring's table: errno {errno}"))?;
        self.nodes.kept = self.ring.holds();
        self.nodes.close_all();
        for index in 0..COMMON {
            let _ = sys::close(nodes::common(index));
        }
        self.targets.trim();
        Ok(())
    }

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
        let mut left = self.rng.u32(..self.weights);
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
