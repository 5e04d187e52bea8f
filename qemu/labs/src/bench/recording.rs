// SPDX-License-Identifier: MIT
//! What a recording costs: instructions per MiB, everything counted, index and flushes included; what its segments cost;
//! and the same by the best that a program can do which has no registered pages.

use std::collections::BTreeMap;

use anyhow::Result;

use super::cost::{Cost, metered, mib};
use super::{LABEL, Stage};
use board::Board;
use board::Image;
use host::paths::Paths;

/// Bytes of the ring, and of a segment.
const RING: u64 = 256 << 20;
/// Name, way, bytes of a write, and bytes that are recorded: so many that the meter's error is small.
const WAYS: [(&str, &str, &str, u64); 4] = [
    ("record", "record", "4M", RING),
    ("record_16m", "record", "16M", RING),
    ("mapped", "mapped", "4M", 64 << 20),
    ("copy", "copy", "4M", 64 << 20),
];
/// What is taken off: start and end of the program, with segments of the same size.
const LEAST: u64 = 16 << 20;
/// Seconds between checkpoints: how many there are depends on how fast the host is.
const NEVER: u32 = 3600;
/// Segments of a recording that fills one: the next is prepared.
const SEGMENTS: f64 = 2.0;

/// What each way costs, from a boot whose files are in `out/<name>`. `segment` is what making and removing a MiB of a
/// segment costs.
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
        let mut cost = |way: &str, chunk: &str, length: u64, segment: u64| {
            let command = format!(
                "resdump bench record {LABEL} /mnt --what {way} --chunk {chunk} --length {length} \
                 --segment {segment} --checkpoint {NEVER}"
            );
            metered(guest, &command, 5)
        };
        let mut costs = BTreeMap::new();
        for (name, way, chunk, length) in WAYS {
            let fixed = cost(way, chunk, LEAST, RING)?;
            let per_mib = (cost(way, chunk, length, RING)? - fixed) / mib(length - LEAST);
            costs.insert(name.to_owned(), Cost { per_mib, fixed });
        }
        let fixed = cost("record", "4M", LEAST, LEAST)?;
        let per_mib = (costs["record"].fixed - fixed) / (SEGMENTS * mib(RING - LEAST));
        costs.insert("segment".to_owned(), Cost { per_mib, fixed });
        Ok(costs)
    })
}
