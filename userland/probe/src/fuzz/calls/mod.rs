// SPDX-License-Identifier: MIT
//! What the operations do, and what must never come of it.

pub mod export;
pub mod file;
pub mod memory;
pub mod misc;
pub mod process;
pub mod region;
pub mod snapshot;
pub mod transfer;
pub mod uring;

use super::arena::{Place, bytes_mut};

/// Bytes of an argument that is handed to the kernel.
pub fn bytes_of<T>(value: &T) -> &[u8] {
    // SAFETY: Used with the ABI's structures, which have no padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// A structure of the ABI from bytes.
pub fn value_of<T: Copy>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>());
    // SAFETY: Integers and arrays of integers: every bit pattern is a value, and there are enough bytes.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

/// Whether an answer is where it was asked for: `expected`, and zeroes as far as the caller's structure is
/// larger.
pub fn answered(place: &Place, expected: &[u8]) -> bool {
    if place.room < place.size || place.size < expected.len() {
        return false;
    }
    let (known, rest) = bytes_mut(place.address, place.size).split_at(expected.len());
    known == expected && rest.iter().all(|byte| *byte == 0)
}
