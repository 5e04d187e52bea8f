// SPDX-License-Identifier: MIT
//! docs/how-to/recorder.md: its node and its commands, with a device that the host plays; and devices whose lead or lag is
//! larger than the node says.
//!
//! The node is the document's but for where register and ring are, and for the interrupt, which no machine has there.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

use host::paths::Paths;
use machine::guest::Guest;

use super::with_nodes;
use crate::recording::pass_time;

/// Where the ring is, as in the document, and how large it is here.
const RING: u64 = 0x1400_0000;
const SIZE: u64 = 4 << 20;
/// Where the counter is in the place of the document's register.
const COUNTER: u64 = 0x1200_0010;
const UNIT: u64 = 64;
const BURST: u64 = 4096;

/// What is not as in the document, and what stands there instead.
const CHANGES: [(&str, &str); 4] = [
    ("0x0 0x4000000>", "0x0 0x400000>"),
    ("0xf8000000", "0x12000000"),
    ("interrupts = <40 1>;  interrupt-names = \"progress\";", ""),
    // Below the device's name is nothing at that address.
    ("recorder@f8000000", "recorder"),
];

/// A device that counts words.
struct Device {
    memory: File,
    position: u64,
}

impl Device {
    /// Writes words from `from` on, and does not count them.
    fn write(&self, from: u64, bytes: u64) -> Result<()> {
        let words = from / 4..(from + bytes) / 4;
        let bytes: Vec<u8> = words.flat_map(|word| (word as u32).to_be_bytes()).collect();
        Ok(self.memory.write_all_at(&bytes, RING + from % SIZE)?)
    }

    fn count(&mut self, position: u64) -> Result<()> {
        self.position = position;
        let counter = (position / UNIT) as u32;
        Ok(self.memory.write_all_at(&counter.to_be_bytes(), COUNTER)?)
    }

    /// Writes and counts, at no more than 2 MiB a second: slow enough for any disk, and for the node's greatest rate.
    fn produce(&mut self, bytes: u64) -> Result<()> {
        let from = self.position;
        while self.position < from + bytes {
            self.write(self.position, BURST)?;
            self.count(self.position + BURST)?;
            pass_time(BURST, 2 << 20);
        }
        Ok(())
    }
}

/// The first nodes in a chapter of the document, for memory (with a page in the place of registers) and for the driver
/// called `driver`, with `changes` made: what stands there, and what takes its place.
pub fn nodes(text: &str, driver: &str, changes: &[(&str, &str)]) -> Result<(String, String)> {
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains("reserved-memory {"))
        .take_while(|line| line.starts_with("       "))
        .map(str::trim)
        .collect();
    let mut source = lines.join("\n");
    for (old, new) in changes {
        ensure!(source.contains(old), "no {old} in\n{source}");
        source = source.replace(old, new);
    }
    let (memory, properties) = source
        .split_once(&format!("}};\n{driver}"))
        .with_context(|| format!("no node {driver}"))?;
    let memory = memory.trim_start_matches("reserved-memory {");
    Ok((
        format!("{memory} page@12000000 {{ reg = <0x0 0x12000000 0x0 0x1000>; no-map; }};"),
        format!("{driver}{properties}"),
    ))
}

/// The document's commands that begin with `resdump`, in their order.
fn commands(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with("    "))
        .map(str::trim)
        .filter(|line| line.starts_with("resdump "))
        .map(str::to_owned)
        .collect()
}

/// Runs in a machine of its own.
pub fn the_how_to_brings_a_recorder_up_and_finds_what_the_device_does_not_keep() -> Result<()> {
    let text = fs::read_to_string(Paths::discover()?.root.join("docs/how-to/recorder.md"))?;
    let (memory, driver) = nodes(&text, "recorder", &CHANGES)?;
    let commands = commands(&text);
    let shape = |machine: &mut machine::Machine<'_>| machine.shared_memory = true;
    with_nodes("guide", (&memory, &driver), shape, |guest, machine| {
        let mut device = Device {
            memory: machine.open_memory()?,
            position: 0,
        };
        device.count(0)?;
        for command in &commands {
            run(guest, &mut device, command).with_context(|| command.clone())?;
        }
        ensure!(commands.len() >= 7, "{commands:?}");
        early(guest, &mut device)?;
        late(guest, &mut device)
    })
}

/// Runs a command of the document, in less time, while the device writes.
fn run(guest: &mut Guest, device: &mut Device, command: &str) -> Result<()> {
    let command = command
        .replace("--duration 60", "--duration 4 --chunk 256K")
        .replace("--rehearse", "--rehearse=1M --duration 2 --chunk 256K")
        .replace(
            "--keep 8G --pre 2G --post 1G",
            "--keep 4M --pre 2M --post 1M --chunk 256K",
        );
    if command.contains("--keep") {
        // It is triggered by the next one, and ended behind that.
        guest.check_within(
            &format!(
                "before=$(ls /mnt/rec | grep -c index); {command} --quiet > /dev/null 2>&1 & \
                 until test $(ls /mnt/rec | grep -c index) -gt $before && \
                 test -s /mnt/rec/$(ls /mnt/rec | grep index | tail -n 1); do sleep 1; done"
            ),
            60,
        )?;
        return device.produce(6 << 20);
    }
    if command.starts_with("resdump trigger") {
        let said = guest.check(&command)?;
        ensure!(said.contains("triggered: process"), "{said}");
        device.produce(6 << 20)?;
        guest.check_within("kill -TERM $!; wait $!", 60)?;
        let shown = guest.check("resdump show /mnt/rec")?;
        ensure!(shown.contains(" trigger"), "{shown}");
        return Ok(());
    }
    if command.starts_with("resdump play") {
        // Another ring: the player's tests do that.
        return Ok(());
    }
    if command.contains("--to svg") {
        // For a host.
        return Ok(());
    }
    if !command.contains("--duration 4") {
        return guest.check_within(&command, 120).map(drop);
    }
    guest.start(&command)?;
    device.produce(6 << 20)?;
    let output = guest.finish(60)?;
    ensure!(output.status == 0, "{output:?}");
    Ok(())
}

/// Records what `work` does, and returns what is said of the words then, and the status.
fn hunt(
    guest: &mut Guest,
    folder: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<machine::guest::Output> {
    guest.check(&format!(
        "rm -f /tmp/status; (resdump record adc {folder} --duration 8 --chunk 256K --quiet; echo $? > /tmp/status) & \
         until test -s {folder}/000000.index; do sleep 1; done"
    ))?;
    work()?;
    guest.check_within("until test -s /tmp/status; do sleep 1; done", 60)?;
    guest.run(&format!("resdump verify {folder} --counting big"))
}

/// It is a quarter of a MiB farther than its counter and the node's lead say.
fn early(guest: &mut Guest, device: &mut Device) -> Result<()> {
    const BEYOND: u64 = 256 << 10;
    let output = hunt(guest, "/mnt/early", || {
        device.produce(2 << 20)?;
        let from = device.position;
        device.write(from, BEYOND)?;
        // It has been here a lap later already when it says that it is here.
        device.write(from + SIZE, BEYOND)?;
        device.count(from + BEYOND)?;
        device.produce(1 << 20)
    })?;
    let least = 4096 + BEYOND;
    ensure!(
        output.status == 12
            && output
                .text
                .contains(&format!("the lead is at least {least} bytes"))
            && !output.text.contains("lag"),
        "{output:?}"
    );
    Ok(())
}

/// It counts what is not in memory yet.
fn late(guest: &mut Guest, device: &mut Device) -> Result<()> {
    const BEHIND: u64 = 256 << 10;
    // So that what is there is of the lap before.
    device.produce(SIZE)?;
    let output = hunt(guest, "/mnt/late", || {
        device.produce(1 << 20)?;
        let from = device.position;
        device.count(from + BEHIND)?;
        device.produce(1 << 20)
    })?;
    ensure!(
        output.status == 12
            && output
                .text
                .contains(&format!("the lag is at least {BEHIND} bytes"))
            && !output.text.contains("lead"),
        "{output:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_node_and_commands() {
        let text = include_str!("../../../../../docs/how-to/recorder.md");
        let (memory, driver) = nodes(text, "recorder", &CHANGES).unwrap();
        assert!(memory.contains("adc: adc@14000000 { reg = <0x0 0x14000000 0x0 0x400000>; };"));
        assert!(
            driver.starts_with("recorder {") && driver.ends_with("};"),
            "{driver}"
        );
        assert!(commands(text).len() >= 7);
    }
}
