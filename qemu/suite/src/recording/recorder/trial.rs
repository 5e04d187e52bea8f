// SPDX-License-Identifier: MIT
//! A recorder that is tried out, and one that has nothing to do.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use machine::guest::Guest;

use super::{expect, totals};

/// Wake-ups a second of a recorder whose device stands still.
const IDLE_MOST: f64 = 2.0;

fn object(text: &str) -> Result<Value> {
    serde_json::from_str(totals(text)).with_context(|| text.to_owned())
}

pub(super) fn trials(guest: &mut Guest) -> Result<()> {
    idle(guest)?;
    // A rate that a slow host holds, too.
    let said = guest.check_within(
        "resdump record told /mnt/trial --rehearse=1M --chunk 256K --duration 3 --json",
        60,
    )?;
    let trial = object(&said)?;
    ensure!(
        trial["rehearsed"] == 1 << 20 && trial["gap"] == 0 && trial["suspect"] == 0,
        "{said}"
    );
    ensure!(trial["recorded"].as_u64() > Some(1 << 20), "{said}");
    expect(
        guest,
        "resdump record told /mnt/trial --rehearse; echo status $?",
        "the node has no resdump,max-rate",
    )?;
    let said = guest.check_within(
        "resdump bench record told /mnt/trial --length 8M --chunk 256K --json",
        120,
    )?;
    let bench = object(&said)?;
    let ways = bench["ways"].as_array().context("no ways")?;
    let names: Vec<_> = ways.iter().filter_map(|way| way["way"].as_str()).collect();
    ensure!(names == ["record", "mapped", "copy"], "{said}");
    let idle = bench["idle"]["wakeups_per_s"].as_f64();
    ensure!(
        idle.is_some_and(|count| count > 0.0 && count <= IDLE_MOST) && !bench["paced"].is_null(),
        "{said}"
    );
    // Nothing is left of either.
    expect(guest, "ls -A /mnt/trial | wc -l", "0")?;
    guest.check("rmdir /mnt/trial").map(drop)
}

/// It sleeps, and writes nothing once it has said how it began.
fn idle(guest: &mut Guest) -> Result<()> {
    guest.check("probe ring doorbell /dev/resmem/told 0")?;
    // Of the other one laps could be missed: the module looks 50 times a second, and the recorder sleeps.
    for region in ["word", "told"] {
        let said = guest.check_within(
            &format!("rm -rf /mnt/idle; resdump record {region} /mnt/idle --duration 6 --json"),
            60,
        )?;
        let idle = object(&said)?;
        let wakeups = idle["wakeups"].as_f64().context("no wakeups")?;
        let seconds = idle["seconds"].as_f64().context("no seconds")?;
        ensure!(wakeups <= IDLE_MOST * seconds, "{region}: {said}");
    }
    expect(guest, "stat -c %s /mnt/idle/000000.index", "8192")?;
    guest.check("rm -r /mnt/idle").map(drop)
}
