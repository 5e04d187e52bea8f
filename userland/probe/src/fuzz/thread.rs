// SPDX-License-Identifier: MIT
//! The state of one thread of the fuzzer.

use std::os::fd::RawFd;

use fastrand::Rng;

use super::arena::Arena;
use super::maps::Maps;
use super::nodes::{self, COMMON, Nodes, OWN};
use super::op::Op;
use super::ring::Ring;
use super::setting::Setting;
use super::sys;
use super::targets::Targets;

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
    pub rng: Rng,
    /// Operations that had a new outcome.
    pub seeds: Vec<Op>,
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
}
