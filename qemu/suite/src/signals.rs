// SPDX-License-Identifier: MIT
//! A transfer that is interrupted says which prefix is on the target, and that is there.

use anyhow::{Context, Result, ensure};

use crate::bed::{Bed, Case, Running, same};

/// A dump onto a slow disk, with small requests.
const DUMP: &str = "probe transfer dump /dev/resmem/capture /dev/vda --length 0x4000000 \
                    --chunk 0x100000 --depth 4";

pub fn cases() -> Vec<Case> {
    let case = |name, run| Case {
        bed: Bed::Slow,
        name,
        run,
    };
    vec![
        case(
            "a_signal_ends_it_with_the_prefix_that_is_told",
            a_signal_ends_it_with_the_prefix_that_is_told,
        ),
        case(
            "a_kill_ends_it_with_the_prefix_that_is_logged",
            a_kill_ends_it_with_the_prefix_that_is_logged,
        ),
        case(
            "a_dump_that_was_stopped_and_continued_says_so",
            a_dump_that_was_stopped_and_continued_says_so,
        ),
    ]
}

/// Starts the dump in the background, waits until the disk has taken some of it, sends a signal,
/// and waits for the end.
fn interrupted(bed: &mut Running, signal: &str) -> Result<String> {
    bed.check("dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=fsync")?;
    let output = bed.run(&format!(
        // An interactive shell would be told of a stop when it waits.
        "sh -c 'written() {{ set -- $(cat /sys/block/vda/stat); echo $7; }}; before=$(written); \
         {DUMP} > /tmp/said & until [ $(written) -gt $((before + 16384)) ]; do :; done; \
         {signal}; wait $!; cat /tmp/said'"
    ))?;
    Ok(output.text)
}

/// Checks that the disk holds the first `moved` bytes, not all of the region.
fn prefix(bed: &mut Running, moved: usize) -> Result<()> {
    let expected = bed.expected("capture")?;
    ensure!(
        (8 << 20..expected.len()).contains(&moved),
        "{moved:#x} bytes were moved"
    );
    same(&bed.raw.read(0, moved as u64)?, &expected[..moved])
}

/// Continued at once, a process may never notice that it was stopped.
const STOP_AND_GO: &str =
    "kill -STOP $!; until grep -q State:.T /proc/$!/status; do :; done; kill -CONT $!";

fn a_signal_ends_it_with_the_prefix_that_is_told(bed: &mut Running) -> Result<()> {
    let said = interrupted(bed, "kill -USR1 $!")?;
    let moved = said
        .split_once("ok moved=")
        .and_then(|(_, rest)| rest.split_once(' '))
        .with_context(|| format!("the probe said {said:?}"))?;
    ensure!(moved.1.contains("copied=0 error=EINTR"), "{said}");
    prefix(bed, moved.0.parse()?)
}

fn a_kill_ends_it_with_the_prefix_that_is_logged(bed: &mut Running) -> Result<()> {
    bed.check("dmesg -c > /dev/null")?;
    interrupted(bed, "kill -KILL $!")?;
    let log = bed.check("dmesg | grep 'capture: killed, '")?;
    let moved = log
        .split_once("killed, 0x")
        .and_then(|(_, rest)| rest.split_once(' '))
        .with_context(|| format!("the log says {log:?}"))?;
    prefix(bed, usize::from_str_radix(moved.0, 16)?)
}

fn a_dump_that_was_stopped_and_continued_says_so(bed: &mut Running) -> Result<()> {
    // A process that is stopped gets a signal like any other: the call returns, and the tool asks
    // for the rest.
    let said = interrupted(bed, STOP_AND_GO)?;
    ensure!(said.contains("error=EINTR"), "{said}");
    bed.check(&format!(
        "sh -c 'resdump dump capture /dev/vda --engine kernel --force --quiet & {STOP_AND_GO}; wait $!'"
    ))?;
    bed.same_on(&bed.raw.clone(), 0, "capture")
}
