// SPDX-License-Identifier: MIT
//! Instructions that a dump costs, everything counted: the process, interrupts, kernel workers.
//!
//! `probe meter` counts what a command costs. A program costs something before it moves the first
//! byte; a dump of one page costs that too, and is taken off.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{LABEL, ORDINARY};
use crate::guest::Guest;

/// What is measured: name, source, engine, chunk in bytes, depth.
const WAYS: [(&str, &str, &str, u32, u32); 6] = [
    ("kernel", LABEL, "kernel", 16 << 20, 4),
    ("kernel_64k", LABEL, "kernel", 64 << 10, 16),
    ("mmap", LABEL, "mmap", 4 << 20, 4),
    ("anon", ORDINARY, "mmap", 4 << 20, 4),
    ("read", LABEL, "read", 4 << 20, 1),
    ("devmem", LABEL, "devmem", 4 << 20, 1),
];

/// What a way costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Instructions for each MiB of a 64 MiB region.
    pub per_mib: f64,
    /// Instructions for the first page, program start and end included.
    pub fixed: f64,
}

/// Measures every way.
pub fn costs(guest: &mut Guest, size: u64) -> Result<BTreeMap<String, Cost>> {
    WAYS.iter()
        .map(|way| Ok((way.0.to_owned(), cost(guest, *way, size)?)))
        .collect()
}

fn cost(
    guest: &mut Guest,
    (_, source, engine, chunk, depth): (&str, &str, &str, u32, u32),
    size: u64,
) -> Result<Cost> {
    const PAGE: u64 = 4096;
    let mut meter = |length: u64| -> Result<f64> {
        let said = guest.check(&format!(
            "probe meter -- resdump dump {source} /dev/vda --engine {engine} --chunk {chunk} \
             --depth {depth} --length {length} --force --quiet"
        ))?;
        said.trim()
            .strip_prefix("ok instructions=")
            .and_then(|count| count.parse().ok())
            .with_context(|| format!("the meter said {said:?}"))
    };
    let fixed = meter(PAGE)?;
    let whole = meter(size)?;
    Ok(Cost {
        per_mib: (whole - fixed) / ((size - PAGE) as f64 / f64::from(1 << 20)),
        fixed,
    })
}
