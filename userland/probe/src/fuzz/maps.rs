// SPDX-License-Identifier: MIT
//! Mappings of one thread.

use std::sync::{Mutex, PoisonError};

use super::arena::{Arena, FIXED};
use super::sys;

/// How many at a time.
pub const MAPS: usize = 4;

/// A mapping.
#[derive(Clone, Copy)]
pub struct Map {
    pub address: usize,
    pub length: usize,
    /// Index of the region.
    pub region: usize,
    /// Of its first byte within the region.
    pub offset: u64,
    /// Bytes may be stored by it.
    pub storable: bool,
    /// Nothing has been done to it: it can be read as it was asked for.
    pub intact: bool,
    /// At an address of the fuzzer's choice.
    pub fixed: bool,
    /// A range that is not ours any more.
    pub hole: Option<(usize, usize)>,
}

impl Map {
    /// Address and length of a part, neither beyond the end, of whole pages.
    pub fn part(&self, offset: u64, length: u64, page: usize) -> Option<(usize, usize)> {
        let at = offset as usize % self.length.max(1) / page * page;
        let length = (length as usize % (self.length - at + 1))
            .next_multiple_of(page)
            .min(self.length - at);
        (self.hole.is_none() && length > 0).then_some((self.address + at, length))
    }
}

/// The mappings of a thread.
#[derive(Default)]
pub struct Maps {
    slots: [Option<Map>; MAPS],
}

impl Maps {
    /// The mapping that an argument stands for.
    pub fn get(&mut self, argument: u64) -> Option<&mut Map> {
        self.slots[argument as usize % MAPS].as_mut()
    }

    /// The same, if it is ours from end to end.
    pub fn whole(&mut self, argument: u64) -> Option<Map> {
        self.get(argument).copied().filter(|map| map.hole.is_none())
    }

    /// Its address in the arena, if it is at one of the fuzzer's choice.
    pub fn fixed(arena: &Arena, argument: u64) -> usize {
        arena.fixed() + argument as usize % MAPS * (FIXED / MAPS)
    }

    /// Takes a mapping in; what was in its slot must have been taken away.
    pub fn put(&mut self, argument: u64, map: Map) {
        self.slots[argument as usize % MAPS] = Some(map);
    }

    /// Takes a mapping away. What is in the arena is replaced, so that no other mapping gets the place.
    pub fn remove(&mut self, argument: u64) {
        let Some(map) = self.slots[argument as usize % MAPS].take() else {
            return;
        };
        let end = map.address + map.length;
        let (hole, after) = map.hole.unwrap_or((end, end));
        for (from, to) in [(map.address, hole), (after, end)] {
            if from < to {
                release(from, to - from, map.fixed);
            }
        }
    }

    /// Takes all of them away.
    pub fn clear(&mut self) {
        for index in 0..MAPS as u64 {
            self.remove(index);
        }
    }
}

/// Makes a call that maps something, at a `fixed` range or where the kernel likes. One that fails may have taken away
/// what was at its range; until that is put back, no other thread of the process maps anything there.
pub fn placing(
    call: impl FnOnce() -> Result<usize, i32>,
    fixed: Option<(usize, usize)>,
) -> Result<usize, i32> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let called = call();
    if let (Err(_), Some((address, length))) = (&called, fixed) {
        release(address, length, true);
    }
    called
}

/// Gives a range back.
pub fn release(address: usize, length: usize, fixed: bool) {
    if fixed {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let _ = sys::mmap(address, length, libc::PROT_NONE, flags, -1, 0);
    } else {
        let _ = sys::munmap(address, length);
    }
}
