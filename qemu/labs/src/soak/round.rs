// SPDX-License-Identifier: MIT
//! One round of the long run: every engine onto a raw disk and into a file, a load and a snapshot,
//! under pressure.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use machine::disk::Disk;
use machine::guest::Guest;

/// Engines that the product has; /dev/mem is closed.
const ENGINES: [&str; 3] = ["kernel", "mmap", "read"];
/// Chunks and depths, a pair each round.
const SHAPES: [(&str, u32); 5] = [("4M", 4), ("64K", 16), ("1M", 8), ("16M", 2), ("192K", 3)];
/// Rounds between two in which what was written is read back in the guest.
const VERIFY: u64 = 4;
/// Where the pressure's file is, what keeps it up, and what it has to say in the end.
const PRESSURE: &str = "rm -f /tmp/said; touch /tmp/pressed; probe pressure /mnt/pressed --while /tmp/pressed \
                        --leave 0x3000000 --size 0x4000000 >/tmp/said 2>&1 &";
const RELIEF: &str = "rm /tmp/pressed; wait; cat /tmp/said";

/// What the host knows of the machine.
pub(super) struct Stage {
    /// The raw disk, as the host sees it.
    pub raw: Disk,
    /// What the region holds.
    pub capture: Vec<u8>,
    /// KiB of a page.
    pub page: u64,
}

/// What has been done so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Done {
    pub rounds: u64,
    /// By engine and target.
    pub dumps: BTreeMap<String, u64>,
    /// Bytes dumped.
    pub bytes: u64,
    pub loads: u64,
    pub snapshots: u64,
    /// Dumps that the host compared with the region's content.
    pub compared: u64,
    /// Dumps that were read back and compared in the guest.
    pub verified: u64,
    /// Bytes of memory that were taken meanwhile.
    pub taken: u64,
    /// Bytes that were written and found again on the disk meanwhile.
    pub moved: u64,
    /// Searches for unreferenced memory.
    pub searches: u64,
}

/// Runs a round.
pub(super) fn round(guest: &mut Guest, stage: &Stage, done: &mut Done) -> Result<()> {
    guest.check(PRESSURE)?;
    let worked = work(guest, stage, done);
    let said = guest.check_within(RELIEF, 300)?;
    worked?;
    done.taken += field(&said, "taken")?;
    done.moved += field(&said, "moved")?;
    done.rounds += 1;
    Ok(())
}

fn work(guest: &mut Guest, stage: &Stage, done: &mut Done) -> Result<()> {
    let (chunk, depth) = SHAPES[done.rounds as usize % SHAPES.len()];
    let verify = done.rounds.is_multiple_of(VERIFY);
    for engine in ENGINES {
        let how = format!("--engine {engine} --chunk {chunk} --depth {depth}");
        dump(guest, &format!("capture /dev/vda {how}"), done)?;
        count(done, engine, "disk");
        let found = stage.raw.read(0, stage.capture.len() as u64)?;
        ensure!(
            found == stage.capture,
            "{how}: the disk differs from the region"
        );
        done.compared += 1;

        let file = format!("/mnt/{engine}");
        let check = if verify {
            "--digest crc32c --verify"
        } else {
            ""
        };
        let answer = dump(guest, &format!("capture {file} {how} {check}"), done)?;
        count(done, engine, "file");
        if verify {
            ensure!(answer["verified"] == true, "{answer}");
            guest.check_within(&format!("resdump verify {file} --against capture"), 300)?;
            done.verified += 1;
        }
    }
    load(guest, done)?;
    snapshot(guest, done)
}

fn count(done: &mut Done, engine: &str, target: &str) {
    *done.dumps.entry(format!("{engine}, {target}")).or_default() += 1;
}

fn dump(guest: &mut Guest, arguments: &str, done: &mut Done) -> Result<Value> {
    let command = format!("resdump dump {arguments} --force --quiet --json");
    let text = guest.check_within(&command, 300)?;
    let answer: Value =
        serde_json::from_str(text.trim()).with_context(|| format!("{command} printed {text:?}"))?;
    done.bytes += answer["bytes"].as_u64().context("bytes")?;
    Ok(answer)
}

/// Another content into a region and back, each seen by a dump.
fn load(guest: &mut Guest, done: &mut Done) -> Result<()> {
    let said = guest.check(
        "resdump dump scratch /mnt/kept --force --quiet && \
         resdump load /dev/vdc scratch --length 1M --quiet && \
         resdump dump scratch /mnt/loaded --engine kernel --force --quiet && \
         cmp /mnt/loaded /dev/vdc && ! cmp -s /mnt/kept /dev/vdc && \
         resdump load /mnt/kept scratch --quiet && \
         cmp /mnt/kept /dev/resmem/scratch && echo back",
    )?;
    ensure!(said.trim() == "back", "{said}");
    done.loads += 2;
    Ok(())
}

fn snapshot(guest: &mut Guest, done: &mut Done) -> Result<()> {
    guest.check(
        "resdump snapshot capture /mnt/now --offset 4608 --length 8M --force --quiet && \
         resdump verify /mnt/now --against capture",
    )?;
    done.snapshots += 1;
    Ok(())
}

/// A number of what the pressure said: `ok taken=1 moved=2`.
fn field(said: &str, name: &str) -> Result<u64> {
    said.strip_prefix("ok ")
        .into_iter()
        .flat_map(str::split_whitespace)
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        .with_context(|| format!("the pressure ended with {said:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_that_failed_is_not_counted() {
        assert_eq!(field("ok taken=7 moved=9\n", "moved").unwrap(), 9);
        assert!(field("EIO\n", "moved").is_err());
        assert!(field("ok taken=7\n", "moved").is_err());
    }
}
