// SPDX-License-Identifier: MIT
//! Throughput of each way, interleaved within one boot.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{LABEL, ORDINARY};
use crate::guest::Guest;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 7;

/// Chunks in bytes and depths that the fast ways are tried with.
const CHUNKS: [u32; 3] = [256 << 10, 4 << 20, 16 << 20];
const DEPTHS: [u32; 2] = [1, 8];

/// Rates in 10^6 bytes per second.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Chunk in bytes and depth of the best median.
    pub chunk: u32,
    /// Requests in flight.
    pub depth: u32,
    /// Median, least and greatest of the rounds.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

/// The best setting of each way.
pub fn rates(guest: &mut Guest, size: u64) -> Result<BTreeMap<String, Rate>> {
    let mut ways = vec![("devmem", LABEL, "devmem", 4 << 20, 1)];
    for chunk in CHUNKS {
        for depth in DEPTHS {
            ways.push(("kernel", LABEL, "kernel", chunk, depth));
            ways.push(("mmap", LABEL, "mmap", chunk, depth));
            ways.push(("anon", ORDINARY, "mmap", chunk, depth));
        }
    }
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); ways.len() + 1];
    for round in 0..=ROUNDS {
        for (index, (_, source, engine, chunk, depth)) in ways.iter().enumerate() {
            let said = guest.check(&format!(
                "resdump dump {source} /dev/vda --engine {engine} --chunk {chunk} --depth {depth} \
                 --force --quiet --json"
            ))?;
            let answer: Value = serde_json::from_str(said.trim())
                .with_context(|| format!("resdump printed {said:?}"))?;
            let seconds = answer["seconds"].as_f64().context("no seconds")?;
            if round > 0 {
                found[index].push(size as f64 / seconds / 1e6);
            }
        }
        let rate = crate::run::dd(guest, "/dev/vda", 0, size)?;
        if round > 0 {
            found[ways.len()].push(rate);
        }
    }
    ways.push(("dd_direct", "/dev/mem", "dd", 1 << 20, 1));
    let mut best: BTreeMap<String, Rate> = BTreeMap::new();
    for ((name, _, _, chunk, depth), mut rates) in ways.into_iter().zip(found) {
        rates.sort_by(f64::total_cmp);
        let rate = Rate {
            chunk,
            depth,
            median: rates[rates.len() / 2],
            min: rates[0],
            max: rates[rates.len() - 1],
        };
        match best.get(name) {
            Some(have) if have.median >= rate.median => {}
            _ => {
                best.insert(name.to_owned(), rate);
            }
        }
    }
    Ok(best)
}
