// SPDX-License-Identifier: MIT
//! What options add to a dump, and whether a small dump is cheaper by copying.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::LABEL;
use super::cost::{PAGE, metered, mib};
use machine::guest::Guest;

/// Bytes that are dumped with each option.
const SIZE: u64 = 16 << 20;
/// What the report calls them, the options, and those of the dump that they are compared with.
const OPTIONS: [(&str, &str, &str); 5] = [
    ("digest_crc32c", "--digest crc32c", ""),
    ("digest_blake3", "--digest blake3", ""),
    ("digest_sha256", "--digest sha256", ""),
    ("verify", "--verify", ""),
    (
        "verify_above_crc32c",
        "--digest crc32c --verify",
        "--digest crc32c",
    ),
];

/// Bytes of small dumps.
const SMALL: [u64; 3] = [PAGE, 2 * PAGE, 64 << 10];

/// A small dump to a raw disk, start to end.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Small {
    /// Bytes.
    pub bytes: u64,
    /// Guest instructions by the kernel engine.
    pub kernel: f64,
    /// The same by copying: the engine `read`.
    pub read: f64,
}

/// Instructions for each MiB that each option adds.
pub fn options(guest: &mut Guest) -> Result<BTreeMap<String, f64>> {
    let mut cost = |options: &str| dump(guest, SIZE, options, 3);
    let mut added = BTreeMap::new();
    for (name, with, without) in OPTIONS {
        let difference = cost(with)? - cost(without)?;
        added.insert(name.to_owned(), difference / mib(SIZE));
    }
    Ok(added)
}

/// Small dumps by either engine.
pub fn small(guest: &mut Guest) -> Result<Vec<Small>> {
    let mut found = Vec::new();
    for bytes in SMALL {
        found.push(Small {
            bytes,
            kernel: dump(guest, bytes, "--engine kernel", 9)?,
            read: dump(guest, bytes, "--engine read", 9)?,
        });
    }
    Ok(found)
}

fn dump(guest: &mut Guest, bytes: u64, options: &str, rounds: u32) -> Result<f64> {
    let command =
        format!("resdump dump {LABEL} /dev/vda --force --quiet --length {bytes} {options}");
    metered(guest, command.trim_end(), rounds)
}
