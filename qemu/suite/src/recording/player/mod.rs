// SPDX-License-Identifier: MIT
//! Recordings that are played into a ring, which the host reads in the place of hardware. The node is that of
//! docs/how-to/recorder.md, and so is the command.

mod device;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use board::Need;
use host::paths::Paths;
use machine::guest::Guest;

use crate::frame::{Case, case};
use crate::recording::recorder::{nodes, totals, with_nodes};
use device::{BURST, CHUNK, Device, LEAD, RING_SIZE};

/// A ring that a program fills, to be recorded.
const TOLD_MEMORY: &str = "told: told@10000000 { reg = <0x0 0x10000000 0x0 0x400000>; };";
const TOLD: &str = "\
    told { compatible = \"resdump,resmem\"; memory-region = <&told>; writable;
        resdump,position-kind = \"program\"; resdump,lead-bytes = <65536>; };
";

/// What is not as in the document, and what stands there instead: a smaller ring, and memory in the place of a register.
const CHANGES: [(&str, &str); 3] = [
    ("0x0 0x4000000>", "0x0 0x400000>"),
    ("0xf9000000", "0x12000000"),
    // Below the device's name is nothing at that address.
    ("player@f9000000", "player"),
];

/// Bytes that the ring's program produces for a recording.
const RECORDED: u64 = 10 << 20;

/// Of these, before the recorder loses some: no two laps of the ring are alike.
const BEFORE_LOSS: u64 = 10 << 20;

pub fn cases() -> Vec<Case> {
    [
        case!(
            alone,
            a_recording_is_played_to_its_last_byte_and_again_and_again
        ),
        case!(
            alone,
            a_device_that_is_faster_than_the_disk_gets_underruns_that_are_named
        ),
    ]
    .into_iter()
    .map(|case| case.needs(Need::DeviceNode).needs(Need::WideAddresses))
    .map(|case| case.needs(Need::MemoryAtZero).limit(600))
    .collect()
}

/// The document's nodes for memory and driver, and its command.
fn document(text: &str) -> Result<(String, String, String)> {
    let (_, text) = text.split_once("## Play it back").context("no chapter")?;
    let (memory, driver) = nodes(text, "player", &CHANGES)?;
    let command = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .find(|line| line.starts_with("resdump play "))
        .context("no command")?;
    Ok((
        format!("{memory} {TOLD_MEMORY}"),
        format!("{TOLD} {driver}"),
        command.to_owned(),
    ))
}

/// Runs `work` in a machine with the document's ring and its device, which has not been started.
fn with_device(
    name: &str,
    work: impl FnOnce(&mut Guest, &mut Device, &str) -> Result<()>,
) -> Result<()> {
    let text = fs::read_to_string(Paths::discover()?.root.join("docs/how-to/recorder.md"))?;
    let (memory, driver, command) = document(&text)?;
    let shape = |machine: &mut machine::Machine<'_>| machine.shared_memory = true;
    with_nodes(name, (&memory, &driver), shape, |guest, machine| {
        let mut device = Device::new(machine.open_memory()?)?;
        work(guest, &mut device, &command)
    })
}

/// Records what the ring's program produces from position 0 on, with `lossy` a part of it alone: the recorder sleeps for
/// some laps.
fn record(guest: &mut Guest, lossy: bool) -> Result<()> {
    let produce = |bytes: u64| {
        format!("probe ring produce /dev/resmem/told {bytes} --rate 6000000 > /dev/null")
    };
    let work = match lossy {
        false => produce(RECORDED),
        true => format!(
            "{}; kill -STOP $recorder; probe ring produce /dev/resmem/told {} > /dev/null; kill -CONT $recorder; {}",
            produce(BEFORE_LOSS),
            12 << 20,
            produce(2 << 20)
        ),
    };
    guest.check_within(
        &format!(
            "probe ring doorbell /dev/resmem/told 0 > /dev/null; rm -rf /mnt/rec /tmp/status; \
             (sh -c 'echo $$ > /tmp/recorder; exec resdump record told /mnt/rec --segment 4M --chunk 256K --quiet' \
             > /tmp/said 2>&1; echo status $? > /tmp/status) & \
             until test -s /mnt/rec/000000.index || test -s /tmp/status; do sleep 1; done; \
             if ! test -s /tmp/status; then recorder=$(cat /tmp/recorder); {work}; kill -INT $recorder; fi; \
             until test -s /tmp/status; do sleep 1; done"
        ),
        120,
    )?;
    let status = guest.check("cat /tmp/said /tmp/status")?;
    let wanted = if lossy { "status 14" } else { "status 0" };
    ensure!(status.contains(wanted), "{status}");
    Ok(())
}

/// Starts the player, and returns when the ring is full, or when it has ended.
fn begin(guest: &mut Guest, device: &mut Device, command: &str) -> Result<()> {
    device.mark()?;
    guest.check(&format!(
        "rm -f /tmp/played; (sh -c 'echo $$ > /tmp/player; exec {command} --json' > /tmp/said 2>&1; \
         echo status $? > /tmp/played) &"
    ))?;
    device.wait_until_filled()
}

/// Waits for its end; what it has said.
fn end(guest: &mut Guest) -> Result<String> {
    guest.check_within(
        "until test -s /tmp/played; do sleep 1; done; cat /tmp/said /tmp/played",
        60,
    )
}

fn object(text: &str) -> Result<Value> {
    serde_json::from_str(totals(text)).with_context(|| text.to_owned())
}

fn number(object: &Value, name: &str) -> Result<u64> {
    object[name]
        .as_u64()
        .with_context(|| format!("no {name} in {object}"))
}

/// A byte of the stream that the ring's program produces.
fn byte(offset: u64) -> u8 {
    let word = ((offset / 4) as u32).wrapping_mul(0x9e37_79b1);
    word.to_be_bytes()[(offset % 4) as usize]
}

/// Runs in a machine of its own.
fn a_recording_is_played_to_its_last_byte_and_again_and_again() -> Result<()> {
    with_device("played", |guest, device, command| {
        record(guest, false)?;
        refused(guest)?;
        one_at_a_time(guest)?;
        begin(guest, device, &format!("{command} --chunk {CHUNK}"))?;
        let again = guest.run(command)?;
        ensure!(
            again.status == 6 && again.text.contains("EBUSY"),
            "{again:?}"
        );
        device.read(RECORDED + LEAD + BURST)?;
        let text = end(guest)?;
        ensure!(text.contains("status 0"), "{text}");
        let said = object(&text)?;
        ensure!(
            number(&said, "whole")? == RECORDED
                && number(&said, "late")? + number(&said, "missed")? == 0
                && number(&said, "direct")? == RECORDED
                && said["evidence"] == "exact"
                && said["ended"] == true,
            "{text}"
        );
        let start = number(&said, "start")? as usize;
        let heard = &device.heard[start..start + RECORDED as usize];
        let wrong = (0..).zip(heard).find(|(at, heard)| byte(*at) != **heard);
        ensure!(wrong.is_none(), "{wrong:?}: {text}");
        looped(guest, device, command)
    })
}

fn refused(guest: &mut Guest) -> Result<()> {
    for (command, status, text) in [
        ("resdump play /mnt/none dac", 3, "ENOENT"),
        ("resdump play /mnt dac", 3, "no recording"),
        ("resdump play /mnt/rec/000000.index dac", 3, "ENOTDIR"),
        (
            "resdump play /mnt/rec dac --offset 100",
            5,
            "multiples of 512",
        ),
        (
            "resdump play /mnt/rec dac --loop --length 8191",
            5,
            "--length ",
        ),
        ("resdump play /mnt/rec dac --ahead 1G", 5, "--ahead"),
        ("resdump play /mnt/rec nosuch", 3, "no such region"),
        (
            "resdump play /mnt/rec dac --loop --length 100",
            5,
            "and these are 100 bytes",
        ),
        (
            "resdump record dac /mnt/none",
            10,
            "no ring that a device fills: dac: EOPNOTSUPP",
        ),
    ] {
        let output = guest.run(command)?;
        ensure!(
            output.status == status && output.text.contains(text),
            "{command}: {output:?}"
        );
    }
    Ok(())
}

/// A ring is recorded, or played into, not both.
fn one_at_a_time(guest: &mut Guest) -> Result<()> {
    let played = "resdump play /mnt/rec told --quiet";
    let recorded = "resdump record told /mnt/other --quiet";
    for (first, begun, second) in [
        (played, "grep -q FLOCK /proc/locks", recorded),
        (recorded, "test -s /mnt/other/000000.index", played),
    ] {
        guest.check_within(
            &format!("{first} > /tmp/first 2>&1 & until {begun}; do sleep 1; done"),
            60,
        )?;
        let output = guest.run(second)?;
        ensure!(
            output.status == 6 && output.text.contains("told: EBUSY"),
            "{second}: {output:?}"
        );
        guest.check_within("kill -TERM $!; wait $!; true", 60)?;
    }
    guest.check("rm -r /mnt/other").map(drop)
}

/// A part of it, until a signal, by a device that runs on from where it was.
fn looped(guest: &mut Guest, device: &mut Device, command: &str) -> Result<()> {
    const FROM: u64 = 1 << 20;
    const LAP: u64 = 3 << 20;
    let first = device.heard.len();
    begin(
        guest,
        device,
        &format!("{command} --chunk {CHUNK} --offset {FROM} --length {LAP} --loop"),
    )?;
    device.read(3 * LAP)?;
    guest.check("kill -TERM $(cat /tmp/player)")?;
    let text = end(guest)?;
    let said = object(&text)?;
    ensure!(
        text.contains("status 0") && number(&said, "late")? + number(&said, "missed")? == 0,
        "{text}"
    );
    let start = number(&said, "start")? as usize;
    ensure!(start >= first, "{text}");
    let mut wrong = (0..).zip(&device.heard[start..]);
    let wrong = wrong.find(|(at, heard)| byte(FROM + at % LAP) != **heard);
    ensure!(wrong.is_none(), "{wrong:?}: {text}");
    Ok(())
}

/// Runs in a machine of its own.
fn a_device_that_is_faster_than_the_disk_gets_underruns_that_are_named() -> Result<()> {
    with_device("underruns", |guest, device, command| {
        record(guest, true)?;
        let shown = guest.run("resdump show /mnt/rec --json")?;
        let recording = object(&shown.text)?;
        let parts = recording["runs"][0]["parts"]
            .as_array()
            .context("no parts")?;
        // What is lost is played as zeroes; what is suspect may be anything.
        let mut kinds = BTreeMap::new();
        for part in parts {
            let what = part["what"].as_str().context("no part")?;
            kinds.insert(number(part, "from")?, (number(part, "to")?, what));
        }
        let length = kinds.values().map(|(to, _)| *to).max().unwrap_or(0);
        ensure!(
            kinds.values().any(|(_, what)| what.starts_with("lost")),
            "{}",
            shown.text
        );
        begin(guest, device, &format!("{command} --chunk {CHUNK}"))?;
        device.read(2 << 20)?;
        // A lap and a half, before the recording's loss, while the player stands still.
        guest.check(
            "kill -STOP $(cat /tmp/player); until grep -q '^State:.T' /proc/$(cat /tmp/player)/status; do :; done",
        )?;
        device.read(3 * RING_SIZE / 2)?;
        guest.check("kill -CONT $(cat /tmp/player)")?;
        let left = length.saturating_sub(device.heard.len() as u64);
        device.read(left + LEAD + BURST)?;
        let text = end(guest)?;
        ensure!(text.contains("status 15"), "{text}");
        let said = object(&text)?;
        let mut told = vec![false; length as usize];
        for line in text.lines().filter(|line| line.contains("\"underrun\"")) {
            let underrun: Value = serde_json::from_str(line)?;
            let (from, to) = (number(&underrun, "from")?, number(&underrun, "to")?);
            told[from as usize..to as usize].fill(true);
        }
        let named = told.iter().filter(|told| **told).count() as u64;
        ensure!(
            named > 0
                && named == number(&said, "late")? + number(&said, "missed")?
                && named + number(&said, "whole")? == length
                && said["unsure"] == false
                && said["evidence"] == "exact"
                && number(&said, "zeroes")? > 0,
            "{named} of {length}: {text}"
        );
        let start = number(&said, "start")? as usize;
        let (mut wrong, mut zeroes) = (0, 0);
        for (at, heard) in (0..length).zip(&device.heard[start..]) {
            let (_, (_, what)) = kinds
                .range(..=at)
                .next_back()
                .context("not in the recording")?;
            let expected = match *what {
                "whole" => byte(at),
                "suspect" => *heard,
                _ => 0,
            };
            if told[at as usize] {
                wrong += u64::from(expected != *heard);
            } else {
                ensure!(expected == *heard, "byte {at}, {what}: {text}");
                zeroes += u64::from(what.starts_with("lost"));
            }
        }
        // The device did find what was not there yet.
        ensure!(wrong > 0 && zeroes > 0, "{wrong} {zeroes}: {text}");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_node_and_a_command() {
        let text = include_str!("../../../../../docs/how-to/recorder.md");
        let (memory, driver, command) = document(text).unwrap();
        assert!(memory.contains("dac: dac@18000000 { reg = <0x0 0x18000000 0x0 0x400000>; };"));
        assert!(
            driver.ends_with("};") && driver.contains("player {"),
            "{driver}"
        );
        assert_eq!(command, "resdump play /mnt/rec dac");
    }
}
