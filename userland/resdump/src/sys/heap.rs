// SPDX-License-Identifier: MIT

//! How memory is handed out.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use nix::libc;

/// What the heap grows by at once, in bytes.
const STEP: libc::c_int = 512 << 10;

/// One heap for all threads, which grows in large steps: a second one costs a thread of few allocations twenty times
/// what they cost, and there are no two that allocate much.
pub fn simple() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [(libc::M_ARENA_MAX, 1), (libc::M_TOP_PAD, STEP)] {
        // SAFETY: It takes numbers, at a time when there is one thread.
        unsafe { libc::mallopt(what, value) };
    }
}

/// The heap of a program that mostly ends soon: the first of its small allocations lie side by side and are never given
/// back, in a tenth of the instructions that the C library takes. All others are the C library's.
pub struct Heap;

/// Most bytes of a small allocation.
const SMALL: usize = 128;

/// Bytes for all of them together.
const ROOM: usize = 64 << 10;

/// What small allocations are aligned to, and their sizes rounded up to.
const ALIGN: usize = 8;

#[repr(align(8))]
struct Room(UnsafeCell<[MaybeUninit<u8>; ROOM]>);

// SAFETY: Its bytes are reached by pointers that `take` gives, each byte by one of them.
unsafe impl Sync for Room {}

static SMALLS: Room = Room(UnsafeCell::new([MaybeUninit::zeroed(); ROOM]));

/// Bytes from the start of the room that are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A place for a small allocation that nothing else has got or ever gets; its bytes are zero.
fn take(layout: Layout) -> Option<*mut u8> {
    if layout.size() > SMALL || layout.align() > ALIGN || TAKEN.load(Ordering::Relaxed) >= ROOM {
        return None;
    }
    let size = layout.size().next_multiple_of(ALIGN);
    let at = TAKEN.fetch_add(size, Ordering::Relaxed);
    (at + size <= ROOM).then(|| SMALLS.0.get().cast::<u8>().wrapping_add(at))
}

fn is_small(place: *mut u8) -> bool {
    place.addr().wrapping_sub(SMALLS.0.get().addr()) < ROOM
}

// SAFETY: What `take` gives has the size and alignment that is wanted, and is given once. What it does not give is the
// system's from its allocation to its end: `is_small` tells them apart.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller promises.
        take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller promises.
        take(layout).unwrap_or_else(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if !is_small(place) {
            // SAFETY: As the caller promises; it is the system's.
            unsafe { System.dealloc(place, layout) };
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_small(place) {
            // SAFETY: As the caller promises; it is the system's.
            return unsafe { System.realloc(place, layout, size) };
        }
        // SAFETY: The caller promises that a layout of this size is one.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: The size is not zero, as the caller promises.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: Both have that many bytes, and the new place was given just now, for this.
            unsafe { ptr::copy_nonoverlapping(place, new, layout.size().min(size)) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is at the start of a place of 24 bytes or more.
    fn content(place: *mut u8) -> [u8; 24] {
        // SAFETY: The tests below ask of such places only, which have a value.
        unsafe { *place.cast() }
    }

    #[test]
    fn small_ones_lie_apart_until_the_room_is_full_and_move_when_they_grow() {
        let layout = Layout::from_size_align(24, 8).unwrap();
        let large = Layout::from_size_align(300, 8).unwrap();
        let heap = Heap;
        let mut all = Vec::new();
        for number in 0..ROOM / 24 + 10 {
            // SAFETY: The layout is not empty.
            let place = unsafe { heap.alloc_zeroed(layout) };
            assert!(!place.is_null() && place.addr().is_multiple_of(ALIGN));
            assert_eq!(content(place), [0; 24]);
            // SAFETY: It has 24 bytes.
            unsafe { place.write_bytes(number as u8, 24) };
            all.push((place, number as u8));
        }
        assert!(is_small(all[0].0) && !is_small(all.last().unwrap().0));
        for (place, number) in all {
            assert_eq!(content(place), [number; 24]);
            // SAFETY: It was allocated with this layout.
            let grown = unsafe { heap.realloc(place, layout, large.size()) };
            assert_eq!(content(grown), [number; 24]);
            // SAFETY: That is what it has become.
            unsafe { heap.dealloc(grown, large) };
        }
    }
}
