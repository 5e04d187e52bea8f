// SPDX-License-Identifier: MIT
//! What the host puts into memory for the fuzzer, and what the fuzzer expects to find. A byte of a region has its
//! top bit clear, a canary has it set: one byte out of place tells.

const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Content of the region `label`: a function of the place.
pub fn region(label: &str, size: usize) -> Vec<u8> {
    fill(label, size, |word| word & !TOP_BITS)
}

/// Content of the canary `label`.
pub fn canary(label: &str, size: usize) -> Vec<u8> {
    fill(label, size, |word| word | TOP_BITS)
}

/// Whether any of the bytes cannot be a region's.
pub fn is_foreign(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) & 0x80 != 0
}

fn fill(label: &str, size: usize, shape: impl Fn(u64) -> u64) -> Vec<u8> {
    let key = label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let words = (0..size as u64 / 8 + 1).map(|index| shape(mix(key, index)).to_be_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(size);
    bytes
}

/// splitmix64.
fn mix(key: u64, index: u64) -> u64 {
    let mut word = key.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
