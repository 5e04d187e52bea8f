// SPDX-License-Identifier: MIT
//! A transfer that is interrupted says which prefix is on the target, and that is there.

use anyhow::{Context, Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case, same};

/// A dump onto a slow disk, with small requests.
const DUMP: &str = "probe transfer dump /dev/resmem/capture $RAW --length 0x4000000 \
                    --chunk 0x100000 --depth 4";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Slow, a_signal_ends_it_with_the_prefix_that_is_reported),
        case!(Slow, a_kill_ends_it_with_the_prefix_that_is_logged),
        case!(Slow, a_tracer_ends_it_with_the_prefix_that_is_reported),
        case!(Slow, dumps_that_are_killed_do_not_fill_the_log),
        case!(Slow, a_dump_that_was_stopped_and_continued_says_so),
        case!(Slow, a_dump_that_was_frozen_continues).needs(Need::Freezer),
    ]
}

/// Starts the dump in the background, waits until the disk has taken some of it, sends a signal,
/// and waits for the end.
fn interrupted(bed: &mut Running, signal: &str) -> Result<String> {
    bed.check("dd if=/dev/zero of=$RAW bs=1M count=1 conv=fsync")?;
    let output = bed.run(&format!(
        // An interactive shell would be notified of a stop when it waits.
        "sh -c 'written() {{ set -- $(cat /sys/block/${{RAW#/dev/}}/stat); echo $7; }}; before=$(written); \
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
    same(&bed.disks()?.raw.read(0, moved as u64)?, &expected[..moved])
}

/// Continued at once, a process may never notice that it was stopped.
const STOP_AND_GO: &str =
    "kill -STOP $!; until grep -q State:.T /proc/$!/status; do :; done; kill -CONT $!";

fn a_signal_ends_it_with_the_prefix_that_is_reported(bed: &mut Running) -> Result<()> {
    ends_with_eintr(bed, "kill -USR1 $!")
}

fn a_tracer_ends_it_with_the_prefix_that_is_reported(bed: &mut Running) -> Result<()> {
    ends_with_eintr(bed, "probe traced $!")?;
    // The tool asks for the rest.
    bed.check(
        "sh -c 'resdump dump capture $RAW --engine kernel --force --quiet & probe traced $!; wait $!'",
    )?;
    bed.raw_holds_all(0, "capture")
}

fn ends_with_eintr(bed: &mut Running, what: &str) -> Result<()> {
    let said = interrupted(bed, what)?;
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
        "sh -c 'resdump dump capture $RAW --engine kernel --force --quiet & {STOP_AND_GO}; wait $!'"
    ))?;
    bed.raw_holds_all(0, "capture")
}

/// Ten lines in five seconds; after that there are lines again.
fn dumps_that_are_killed_do_not_fill_the_log(bed: &mut Running) -> Result<()> {
    bed.check("dmesg -c > /dev/null")?;
    let said = bed.probe("killed /dev/resmem/capture $RAW --times 150")?;
    let of = |name: &str| -> Result<u64> {
        let value = said
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name));
        Ok(value.with_context(|| said.clone())?.parse()?)
    };
    let (killed, seconds) = (of("killed=")?, of("seconds=")?);
    let most = 10 * (seconds.div_ceil(5) + 1);
    ensure!(killed > most, "{said}: too slow to tell anything");
    let lines: u64 = bed
        .check("dmesg | grep -c ' killed, ' || true")?
        .trim()
        .parse()?;
    ensure!(
        (1..=most).contains(&lines),
        "{said}: {lines} lines in the log"
    );
    // What was left out is over in five seconds: the next test finds its line.
    bed.check(
        "dmesg -c > /dev/null; sh -c 'until dmesg | grep -q \" killed, \"; do \
         probe killed /dev/resmem/capture $RAW --times 1 > /dev/null || exit; done'",
    )?;
    Ok(())
}

/// As when the system is suspended: the freezer is the same.
fn a_dump_that_was_frozen_continues(bed: &mut Running) -> Result<()> {
    bed.check("mkdir -p /tmp/freezer; mount -t cgroup -o freezer freezer /tmp/freezer; mkdir -p /tmp/freezer/dump")?;
    let said = interrupted(
        bed,
        "cd /tmp/freezer/dump; echo $! > cgroup.procs; echo FROZEN > freezer.state; \
         until grep -q FROZEN freezer.state; do :; done; grep -qx $! cgroup.procs && echo its group is frozen; \
         until [ \"$(echo $(cat /sys/block/${RAW#/dev/}/inflight))\" = \"0 0\" ]; do :; done; \
         echo sectors=$(($(written) - before)); echo THAWED > freezer.state; cd /",
    )?;
    bed.check("umount /tmp/freezer")?;
    // One that runs has requests in flight until all is written.
    let sectors = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("sectors="))
        .with_context(|| format!("the guest said {said:?}"))?;
    let sectors: u64 = sectors.parse()?;
    ensure!(
        said.contains("its group is frozen") && (16_384..131_072).contains(&sectors),
        "it was not frozen: {said}"
    );
    ensure!(
        said.contains("ok moved=67108864 ") && !said.contains("EINTR"),
        "{said}"
    );
    bed.raw_holds_all(0, "capture")
}
