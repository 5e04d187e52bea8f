// SPDX-License-Identifier: MIT
//! Throughput of each way, interleaved within one boot.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::cost::Way;
use super::{LABEL, ORDINARY};
use machine::guest::Guest;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 7;

/// Chunks in bytes and depths that the fast ways are tried with.
const CHUNKS: [u32; 5] = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
const DEPTHS: [u32; 4] = [1, 4, 16, 32];

/// Rates in 10^6 bytes per second.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Bytes a request.
    pub chunk: u32,
    /// Requests in flight.
    pub depth: u32,
    /// Median of the rounds.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

/// What was measured of each way: one rate for each chunk and depth.
pub type Rates = BTreeMap<String, Vec<Rate>>;

/// The setting with the best median.
pub fn best(rates: &[Rate]) -> Option<&Rate> {
    rates
        .iter()
        .max_by(|one, other| one.median.total_cmp(&other.median))
}

/// Measures every way with every chunk and depth, all of them in each round.
pub fn rates(guest: &mut Guest, size: u64) -> Result<Rates> {
    guest.check(&format!("cat /dev/resmem/{LABEL} > {ORDINARY}"))?;
    let mut ways = vec![Way::new("devmem", LABEL, "devmem", 4 << 20, 1)];
    for chunk in CHUNKS {
        for depth in DEPTHS {
            ways.push(Way::new("kernel", LABEL, "kernel", chunk, depth));
            ways.push(Way::new("mmap", LABEL, "mmap", chunk, depth));
            ways.push(Way::new("mapped", LABEL, "mmap --mapped", chunk, depth));
            ways.push(Way::new("anon", ORDINARY, "mmap", chunk, depth));
        }
    }
    let fio = guest.run("command -v fio")?.status == 0;
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let (mut dd, mut yardstick) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (way, rates) in ways.iter().zip(&mut found) {
            let rate = dump(guest, way, size)?;
            if round > 0 {
                rates.push(rate);
            }
        }
        let rate = crate::run::dd(guest, "/dev/vda", 0, size)?;
        let fio = if fio {
            Some(with_fio(guest, size)?)
        } else {
            None
        };
        if round > 0 {
            dd.push(rate);
            yardstick.extend(fio);
        }
    }
    let mut all: Rates = BTreeMap::new();
    ways.push(Way::new("dd_direct", "/dev/mem", "dd", 1 << 20, 1));
    found.push(dd);
    if fio {
        ways.push(Way::new("fio", ORDINARY, "fio", FIO_BLOCK, FIO_DEPTH));
        found.push(yardstick);
    }
    for (way, rates) in ways.into_iter().zip(found) {
        all.entry(way.name.to_owned())
            .or_default()
            .push(summary(&way, rates));
    }
    Ok(all)
}

fn summary(way: &Way, mut rates: Vec<f64>) -> Rate {
    rates.sort_by(f64::total_cmp);
    Rate {
        chunk: way.chunk,
        depth: way.depth,
        median: rates[rates.len() / 2],
        min: rates[0],
        max: rates[rates.len() - 1],
    }
}

fn dump(guest: &mut Guest, way: &Way, size: u64) -> Result<f64> {
    let said = guest.check(&format!("resdump dump {} --json", way.arguments()))?;
    let answer: Value =
        serde_json::from_str(said.trim()).with_context(|| format!("resdump printed {said:?}"))?;
    let seconds = answer["seconds"].as_f64().context("no seconds")?;
    Ok(size as f64 / seconds / 1e6)
}

const FIO_BLOCK: u32 = 4 << 20;
const FIO_DEPTH: u32 = 4;

/// An outside yardstick, where the image has it: ordinary memory to disk by direct I/O. Several passes,
/// since fio touches its buffers for the first time in the first.
fn with_fio(guest: &mut Guest, size: u64) -> Result<f64> {
    let said = guest.check(&format!(
        "fio --name=yardstick --filename=/dev/vda --rw=write --direct=1 --bs={FIO_BLOCK} \
         --iodepth={FIO_DEPTH} --ioengine=io_uring --size={size} --loops=8 --scramble_buffers=0 \
         --thread --end_fsync=1 --output-format=json"
    ))?;
    let answer: Value =
        serde_json::from_str(said.trim()).with_context(|| format!("fio printed {said:?}"))?;
    let rate = answer["jobs"][0]["write"]["bw_bytes"].as_f64();
    Ok(rate.context("fio reported no rate")? / 1e6)
}
