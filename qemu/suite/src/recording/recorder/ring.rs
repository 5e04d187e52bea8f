// SPDX-License-Identifier: MIT
//! A ring that a program fills in the place of a device: where it is, what waits for it, and recordings, each word of
//! which says where it belongs.

use anyhow::{Result, bail, ensure};

use machine::guest::Guest;

use super::{expect, kept, no_word_is_wrong, totals, trial, trigger, with_rings};

/// Bytes of a ring.
const RING: u64 = 4 << 20;

/// Runs in a machine of its own.
pub fn a_ring_is_recorded_and_each_word_is_where_it_belongs() -> Result<()> {
    with_rings(
        "ring",
        |_| {},
        |guest, _| {
            refusals(guest)?;
            positions(guest)?;
            waiting(guest)?;
            recordings(guest)?;
            examples(guest)?;
            trigger::triggers(guest)?;
            trial::trials(guest)?;
            kept::kept(guest)?;
            at_boot(guest)?;
            unbound(guest)
        },
    )
}

fn refusals(guest: &mut Guest) -> Result<()> {
    let log = guest.check("dmesg | grep resmem")?;
    for cause in [
        "its position repeats, and no max-rate says how fast",
        "an interrupt is not named progress or trigger, or has no interrupt-parent that the kernel knows",
        "its syscon is no system controller with such a register of 4 bytes",
        "its consumer register has more than 32 bits",
        "its position has too few bits for it, or more than 64",
        "its position-kind is not known",
        "a property of its position is not of the type that the binding gives it",
        "its position has more bits than its register",
        "its position repeats faster than it can be read: max-rate is too great for its size",
        "its reg is not named producer, or is no address of a processor's",
        "its position is not in the register block, or not aligned",
        "its position is not in the region, or not aligned",
        "its consumer register is that of its position",
    ] {
        ensure!(log.contains(cause), "{cause}: {log}");
    }
    guest.check(
        "test -c /dev/resmem/told && test -c /dev/resmem/word && ! test -e /dev/resmem/position && \
         ! test -e /dev/resmem/registers",
    )?;
    expect(
        guest,
        "probe ring doorbell /dev/resmem/word 0",
        "EOPNOTSUPP",
    )?;
    expect(guest, "probe ring position /dev/resmem/told", "ENODATA")
}

fn positions(guest: &mut Guest) -> Result<()> {
    expect(guest, "probe ring doorbell /dev/resmem/told 4096", "ok")?;
    expect(
        guest,
        "probe ring position /dev/resmem/told",
        "position 4096 breaks 0 evidence 0 flags 1 raw 4096",
    )?;
    // Back is no way for a device: it was started again, and is where it says in the ring.
    expect(guest, "probe ring doorbell /dev/resmem/told 512", "ok")?;
    let position = RING + 512;
    expect(
        guest,
        "probe ring position /dev/resmem/told",
        &format!("position {position} breaks 1 evidence 0"),
    )
}

fn waiting(guest: &mut Guest) -> Result<()> {
    expect(
        guest,
        "probe ring produce /dev/resmem/told 65536",
        "ok position",
    )?;
    for by in ["poll", "eventfd", "uring"] {
        // Reached already, and reached by what comes.
        let now = "$(probe ring position /dev/resmem/told | cut -d' ' -f3)";
        expect(
            guest,
            &format!("probe ring wait /dev/resmem/told {now} --by {by}"),
            "ok reached",
        )?;
        expect(
            guest,
            &format!(
                "at={now}; (sleep 1; probe ring produce /dev/resmem/told 65536 > /dev/null) & \
                 probe ring wait /dev/resmem/told $((at + 65536)) --by {by}; wait"
            ),
            "ok reached",
        )?;
        // Nothing reports a word but the module's timer.
        let now = "$(probe ring position /dev/resmem/word | cut -d' ' -f3)";
        expect(
            guest,
            &format!(
                "at={now}; (probe ring produce /dev/resmem/word 65536 --word 0 --rate 1000000 > /dev/null) & \
                 probe ring wait /dev/resmem/word $((at + 65536)) --by {by}; wait"
            ),
            "ok reached",
        )?;
    }
    expect(guest, "probe ring cancel /dev/resmem/told", "ok ended")
}

fn recordings(guest: &mut Guest) -> Result<()> {
    // Slow enough for the disk: nothing is lost, over several laps and segments.
    let text = guest.check_within(
        "probe ring produce /dev/resmem/told 33554436 --rate 8000000 > /dev/null & \
         resdump record told /mnt/whole --segment 8M --chunk 512K --duration 6 --json; wait",
        60,
    )?;
    ensure!(totals(&text).contains("\"suspect\":0,\"gap\":0"), "{text}");
    guest.check("resdump verify /mnt/whole")?;
    let checked = guest.check("probe ring check /mnt/whole")?;
    ensure!(checked.contains(" wrong 0 suspect 0 lost 0"), "{checked}");
    ensure!(!checked.contains("words 0 "), "{checked}");
    // A second run, ended by a signal.
    guest.check(
        "before=$(ls /mnt/whole | grep -c index$); resdump record told /mnt/whole --segment 8M --chunk 512K --quiet & \
         until test $(ls /mnt/whole | grep -c index$) -gt $before; do sleep 1; done; kill -TERM $!; wait $!",
    )?;
    guest.check("resdump verify /mnt/whole && resdump show /mnt/whole && rm -r /mnt/whole")?;
    // The recorder sleeps for four laps: they are lost, and everything that is called whole is.
    let text = guest.check_within(
        "(sh -c 'echo $$ > /tmp/recorder; exec resdump record told /mnt/lossy --segment 8M --chunk 512K --json'; \
         echo status $? > /tmp/status) & \
         until test -s /tmp/recorder; do sleep 1; done; recorder=$(cat /tmp/recorder); sleep 1; \
         probe ring produce /dev/resmem/told 2097152; kill -STOP $recorder; \
         probe ring produce /dev/resmem/told 16777216; kill -CONT $recorder; \
         probe ring produce /dev/resmem/told 2097152 --rate 4000000; kill -TERM $recorder; \
         until test -s /tmp/status; do sleep 1; done; cat /tmp/status",
        60,
    )?;
    ensure!(text.contains("status 14"), "{text}");
    expect(
        guest,
        "resdump verify /mnt/lossy > /dev/null; echo status $?",
        "status 14",
    )?;
    let checked = guest.check("probe ring check /mnt/lossy")?;
    ensure!(checked.contains(" wrong 0 "), "{checked}");
    ensure!(!checked.contains(" lost 0"), "{checked}");
    guest.check("rm -r /mnt/lossy").map(drop)
}

/// The examples of recorders, in C and in Rust, which know the module as any program does.
fn examples(guest: &mut Guest) -> Result<()> {
    for (program, ring) in [
        ("resmem-c-record", "/dev/resmem/told"),
        ("resmem-rust-record", "told"),
    ] {
        // Slow enough for the disk: nothing is lost, over two laps.
        let said = guest.check_within(
            &format!(
                "(probe ring produce /dev/resmem/told 12582912 --rate 4000000 > /dev/null) & \
                 {program} {ring} /mnt/example 8388608; wait"
            ),
            60,
        )?;
        let from = said
            .trim()
            .strip_prefix("from ")
            .and_then(|said| said.strip_suffix(": 8388608 bytes, 0 of them suspect"));
        let Some(from) = from else {
            bail!("{program}: {said}");
        };
        expect(
            guest,
            &format!("probe ring compare /mnt/example {from}"),
            "ok words 2097152 wrong 0",
        )?;
        // The device goes round and round while the program is stopped: it says so.
        guest.check("rm /mnt/example")?;
        let said = guest.check_within(
            &format!(
                "rm -f /tmp/said /tmp/status; \
                 (sh -c 'echo $$ > /tmp/example; exec {program} {ring} /mnt/example 1048576' > /tmp/said 2>&1; \
                 echo status $? > /tmp/status) & \
                 until test -s /mnt/example; do probe ring produce /dev/resmem/told 65536 > /dev/null; done; \
                 kill -STOP $(cat /tmp/example); probe ring produce /dev/resmem/told 16777216 > /dev/null; \
                 kill -CONT $(cat /tmp/example); until test -s /tmp/status; do sleep 1; done; cat /tmp/said"
            ),
            60,
        )?;
        ensure!(
            said.contains("1048576 bytes") && !said.contains(" 0 of them suspect"),
            "{program}: {said}"
        );
        guest.check("rm /mnt/example")?;
    }
    Ok(())
}

/// What the image does for `resdump.record=` on the kernel's command line, by its script.
fn at_boot(guest: &mut Guest) -> Result<()> {
    let start = |words: &str| {
        format!(
            "echo {words} > /tmp/words; mount --bind /tmp/words /proc/cmdline; \
             sh /etc/init.d/S60record > /tmp/said 2>&1; status=$?; \
             umount /proc/cmdline; cat /tmp/said; echo status $status"
        )
    };
    // What a board without a data partition has there.
    expect(
        guest,
        "resdump record told /tmp/rec; echo status $?",
        "cannot be recorded: told to /tmp/rec: EOPNOTSUPP (95): it is in memory",
    )?;
    const STOP: &str = "sh /etc/init.d/S60record stop && test ! -e /run/record.pids";
    for words in ["resdump.record=told", "resdump.record=:/mnt/boot"] {
        expect(
            guest,
            &start(words),
            &format!("record: {words}: write resdump.record=REGION:FOLDER"),
        )?;
    }
    // Two at once, one of a region that is not there.
    let said = guest.check(&start(
        "resdump.record=told:/mnt/boot,chunk=256K,segment=8M resdump.record=nosuch:/mnt/no",
    ))?;
    ensure!(
        said.contains("record: told to /mnt/boot") && said.contains("status 0"),
        "{said}"
    );
    guest.check_within("until test -s /mnt/boot/000000.index; do sleep 1; done", 60)?;
    guest.check("probe ring produce /dev/resmem/told 12582912 --rate 6000000")?;
    guest.check_within(STOP, 60)?;
    expect(guest, "logread", "no such region: nosuch")?;
    guest.check("resdump verify /mnt/boot && test ! -e /mnt/no")?;
    no_word_is_wrong(guest, "/mnt/boot")?;
    // Armed: it writes once the signal comes.
    guest.check(&start("resdump.record=told:/mnt/armed,post=1M,chunk=256K"))?;
    // It catches SIGUSR1, whose bit is the second of the third digit.
    guest.check_within(
        "until grep -q 'SigCgt:.*[2367abef]..$' /proc/$(cat /run/record.pids)/status; do sleep 1; done",
        60,
    )?;
    guest.check("test ! -e /mnt/armed/000000.index")?;
    expect(guest, "resdump trigger told", "triggered: process ")?;
    guest.check("probe ring produce /dev/resmem/told 4194304 --rate 4000000")?;
    guest.check_within(
        "until test -s /mnt/armed/000000.index; do sleep 1; done",
        60,
    )?;
    guest.check_within(STOP, 60)?;
    guest.check("resdump verify /mnt/armed")?;
    no_word_is_wrong(guest, "/mnt/armed")?;
    // What was in the ring, once.
    expect(
        guest,
        &start("resdump.record=word:/mnt/lap,lap"),
        "record: word to /mnt/lap",
    )?;
    guest.check("test ! -e /run/record.pids && resdump verify /mnt/lap")?;
    guest.check("rm -r /mnt/boot /mnt/armed /mnt/lap").map(drop)
}

/// The driver goes while a program waits.
fn unbound(guest: &mut Guest) -> Result<()> {
    let unbind = "echo resmem-bus:told > /sys/bus/platform/drivers/resmem/unbind";
    for by in ["uring", "poll"] {
        expect(
            guest,
            &format!(
                "(sleep 1; {unbind}) & probe ring wait /dev/resmem/told 0xffffffffffff --by {by}; wait"
            ),
            "ENODEV",
        )?;
        let bind = "echo resmem-bus:told > /sys/bus/platform/drivers/resmem/bind";
        guest.check(bind)?;
        guest.check("probe ring doorbell /dev/resmem/told 0")?;
    }
    Ok(())
}
