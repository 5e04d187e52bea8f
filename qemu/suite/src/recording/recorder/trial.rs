// SPDX-License-Identifier: MIT
//! A recorder that is tried out, and one that has nothing to do.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use machine::guest::Guest;

use super::{expect, totals};

/// Seconds for which `bench record` looks at an idle one.
const BENCH_IDLE: f64 = 5.0;

/// Most wake-ups of a recorder whose device stands still: one a second, and one for the end.
fn idle_most(seconds: f64) -> f64 {
    seconds.ceil() + 1.0
}

fn object(text: &str) -> Result<Value> {
    serde_json::from_str(totals(text)).with_context(|| text.to_owned())
}

pub(super) fn trials(guest: &mut Guest) -> Result<()> {
    idle(guest)?;
    refusals(guest)?;
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
        idle.is_some_and(|count| count > 0.0 && count <= idle_most(BENCH_IDLE) / BENCH_IDLE)
            && !bench["paced"].is_null(),
        "{said}"
    );
    // Nothing is left of any, not even the folder.
    guest.check("! test -e /mnt/trial")?;
    guest.check("mkdir /mnt/trial")?;
    let said = guest.check_within(
        "resdump record fresh /mnt/trial --rehearse --chunk 256K --duration 2 --json",
        60,
    )?;
    ensure!(object(&said)?["rehearsed"] == 1 << 20, "{said}");
    // One that was there stays.
    expect(guest, "ls -A /mnt/trial | wc -l", "0")?;
    guest.check("rmdir /mnt/trial").map(drop)
}

/// What is not begun leaves nothing, and says what is in the way.
fn refusals(guest: &mut Guest) -> Result<()> {
    guest.check(
        "mkdir /mnt/foreign; echo hi > /mnt/foreign/000000.index; echo hi > /mnt/file; mkdir -p /tmp/rec",
    )?;
    for (command, status, text) in [
        (
            "resdump record fresh /mnt/none/none",
            10,
            "cannot read the position: fresh: ENODATA (61): the program that drives its device has not rung",
        ),
        (
            "resdump play /mnt/none fresh",
            10,
            "has not rung the doorbell yet",
        ),
        (
            "resdump record told /mnt/none/none --segment 1000",
            5,
            "--segment",
        ),
        ("resdump record told /tmp/none/none", 6, "it is in memory"),
        (
            "resdump record told /mnt/file",
            6,
            "cannot make the folder: /mnt/file: EEXIST (17): a file is in the way",
        ),
        (
            "resdump record told /mnt/file/none",
            6,
            "a file is in the way",
        ),
        (
            "resdump record told /mnt/foreign",
            6,
            "not the index of a recording: /mnt/foreign/000000.index: EBADMSG",
        ),
        (
            "resdump play /mnt/none flowing",
            6,
            "no ring that a device reads: flowing: EOPNOTSUPP",
        ),
    ] {
        let output = guest.run(command)?;
        ensure!(
            output.status == status && output.text.contains(text),
            "{command}: {output:?}"
        );
    }
    guest
        .check(
            "! test -e /mnt/none && ! test -e /tmp/none && test $(ls /mnt/foreign | wc -l) = 1 && \
             rm -r /mnt/foreign /mnt/file",
        )
        .map(drop)
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
        ensure!(wakeups <= idle_most(seconds), "{region}: {said}");
    }
    expect(guest, "stat -c %s /mnt/idle/000000.index", "8192")?;
    guest.check("rm -r /mnt/idle").map(drop)
}
