// SPDX-License-Identifier: MIT
//! What a recording costs: instructions per MiB, everything counted, files, index and flushes included; next to the best
//! that a program can do which has no registered pages.

use std::collections::BTreeMap;

use anyhow::Result;

use super::cost::{Cost, metered, mib};
use super::{LABEL, Stage};
use board::Board;
use board::Image;
use host::paths::Paths;

/// Bytes of the ring.
const RING: u64 = 128 << 20;

/// Name, way, bytes of a write, and bytes that are recorded: so many that the meter's error is small.
const WAYS: [(&str, &str, &str, u64); 4] = [
    ("record", "record", "4M", 256 << 20),
    ("record_16m", "record", "16M", 256 << 20),
    ("mapped", "mapped", "4M", 64 << 20),
    ("copy", "copy", "4M", 64 << 20),
];
/// What is taken off: start and end, with one file of the recording.
const LEAST: u64 = 16 << 20;

/// What each way costs, from a boot whose files are in `out/<name>`.
pub fn recording(
    paths: &Paths,
    board: &Board,
    image: &Image,
    name: &str,
) -> Result<BTreeMap<String, Cost>> {
    let stage = Stage {
        icount: true,
        size: Some(RING),
        ring: true,
        file_system: true,
        forgets: true,
        ..Stage::new(paths, board, image)
    };
    stage.run(name, |guest, _| {
        guest.check("mount -t ext4 -o noatime /dev/vdb /mnt")?;
        WAYS.iter()
            .map(|(name, way, chunk, length)| {
                let mut cost = |length: u64| {
                    let command = format!(
                        "resdump bench record {LABEL} /mnt --what {way} --chunk {chunk} --length {length}"
                    );
                    metered(guest, &command, 5)
                };
                let fixed = cost(LEAST)?;
                let per_mib = (cost(*length)? - fixed) / mib(length - LEAST);
                Ok(((*name).to_owned(), Cost { per_mib, fixed }))
            })
            .collect()
    })
}
