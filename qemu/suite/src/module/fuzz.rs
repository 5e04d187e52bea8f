// SPDX-License-Identifier: MIT
//! Everything that a user can do with the nodes, at random, each answer judged: `probe fuzz`.
//!
//! `make fuzz` is the long run. `RESDUMP_COUNT` says how many operations, `RESDUMP_SEED` repeats the
//! draws of an earlier run.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use host::settings;
use machine::detectors::TAINT_OUT_OF_TREE;
use serde_json::Value;

use crate::frame::{Case, Running, case, instead};

/// Of the short run.
const OPERATIONS: u64 = 20_000;
/// Most of one run of the fuzzer: a long one is several, each with the next seed.
const ROUND: u64 = 50_000;
/// In a second of a slow kernel on a busy machine, at least.
const RATE: u64 = 100;
/// KiB that KASAN may keep: it has a byte for eight of vmalloc space, of which 64 MiB are given back late (two
/// processors).
const KASAN_KEEPS: u64 = (64 << 10) / 8;

pub fn cases() -> Vec<Case> {
    vec![
        case!(Fuzz, whatever_a_user_asks_is_answered_as_the_abi_says)
            .limit(600 + operations() / RATE),
        case!(Fuzz, a_foreign_byte_is_noticed),
    ]
}

/// How many operations this run does.
fn operations() -> u64 {
    settings::get().count.unwrap_or(OPERATIONS)
}

/// Runs the fuzzer and returns its summary.
fn fuzz(bed: &mut Running, operations: u64, seed: u64) -> Result<Value> {
    let kept = match instead() {
        Some("kasan") => KASAN_KEEPS,
        _ => 0,
    };
    bed.mounted(|bed| {
        let command = format!(
            "probe fuzz --filled --operations {operations} --seed {seed:#x} --patience 600 --kept {kept}"
        );
        let said = bed.guest.check_within(&command, 120 + operations / RATE)?;
        let summary = said.lines().find_map(|line| line.strip_prefix("ok "));
        let summary = summary.with_context(|| format!("no summary: {said}"))?;
        Ok(serde_json::from_str(summary)?)
    })
}

fn whatever_a_user_asks_is_answered_as_the_abi_says(bed: &mut Running) -> Result<()> {
    let seed = match settings::get().seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    let mut left = operations();
    for round in 0.. {
        let operations = left.min(ROUND);
        let summary = fuzz(bed, operations, seed + round)?;
        println!("{summary}");
        judge(&summary)?;
        bed.guest.check_health(TAINT_OUT_OF_TREE)?;
        left -= operations;
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// What was asked also went well, now and then.
fn judge(summary: &Value) -> Result<()> {
    let outcomes = summary["outcomes"].as_object().context("no outcomes")?;
    for kind in [
        "dump", "load", "snapshot", "mmap", "read", "splice", "child", "register", "fixed", "trace",
    ] {
        let done = outcomes.get(kind).and_then(|row| row["ok"].as_u64());
        ensure!(
            done.is_some_and(|done| done > 0),
            "no {kind} went well: {summary}"
        );
    }
    ensure!(summary["signatures"].as_u64() > Some(500), "{summary}");
    Ok(())
}

fn a_foreign_byte_is_noticed(bed: &mut Running) -> Result<()> {
    // Bytes of zero are a region's, others of these are not.
    bed.check(
        "tr '\\0' '\\252' < /dev/zero | dd of=/dev/vda bs=64k count=4 iflag=fullblock conv=fsync",
    )?;
    bed.check("resdump load /dev/vda moving --length 256K --quiet")?;
    let said = bed.mounted(|bed| bed.run("probe fuzz --filled --operations 600"))?;
    bed.check("dd if=/dev/zero of=/dev/vda bs=64k count=4 conv=fsync")?;
    bed.check("resdump load /dev/vda moving --length 256K --quiet")?;
    // In what it knows the place of, or in what it knows to be of some region.
    let foreign = [" is 0xaa", "a byte that no region holds"];
    ensure!(
        said.status == 1
            && said.text.contains("violation: ")
            && foreign.iter().any(|word| said.text.contains(word)),
        "status {}: {}",
        said.status,
        said.text
    );
    ensure!(
        said.text.contains("repeat: probe fuzz --seed 0x1"),
        "{}",
        said.text
    );
    Ok(())
}
