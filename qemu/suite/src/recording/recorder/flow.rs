// SPDX-License-Identifier: MIT
//! A device with flow control and a trigger, which the host plays: its position, and how far its bytes were taken, are
//! registers of a system controller, and its trigger is the interrupt of the serial line.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use machine::guest::Guest;

use super::{no_word_is_wrong, totals, with_rings};

/// Of the region `flowing`, and of its two registers.
const RING: u64 = 0x1240_0000;
const SIZE: u64 = 4 << 20;
const POSITION: u64 = 0x1200_0840;
const CONSUMER: u64 = 0x1200_0844;
const UNIT: u64 = 64;
/// Bytes that the device writes before it counts them: its lead.
const BURST: u64 = 4096;
/// Below the greatest rate of the node, in bytes a second.
const RATE: u64 = 8 << 20;
/// In the register, as long as nothing was taken.
const UNTAKEN: u32 = 0x00ff_ffff;

/// What a recording keeps before a trigger, and behind it.
const PRE: u64 = 64 << 10;
const POST: u64 = 128 << 10;

struct Device {
    memory: File,
    position: u64,
}

impl Device {
    fn new(memory: File) -> Result<Self> {
        let device = Self {
            memory,
            position: 0,
        };
        device.count()?;
        device.put(CONSUMER, UNTAKEN)?;
        Ok(device)
    }

    fn put(&self, register: u64, value: u32) -> Result<()> {
        Ok(self.memory.write_all_at(&value.to_be_bytes(), register)?)
    }

    fn count(&self) -> Result<()> {
        self.put(POSITION, (self.position / UNIT) as u32)
    }

    /// How far its bytes were taken, if the register says so.
    fn taken(&self) -> Result<Option<u64>> {
        let mut bytes = [0; 4];
        self.memory.read_exact_at(&mut bytes, CONSUMER)?;
        let units = u32::from_be_bytes(bytes);
        Ok((units != UNTAKEN).then_some(u64::from(units) * UNIT))
    }

    /// Waits until more was taken than `before`: everything before which position. The host has no event for that.
    fn taken_beyond(&self, before: u64) -> Result<u64> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(taken) = self.taken()?.filter(|taken| *taken > before) {
                return Ok(taken);
            }
            ensure!(Instant::now() < until, "no more was taken in 60 s");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes `bytes` more, but never over what was not taken: where there is no room for so long, it ends. How many it
    /// wrote.
    fn produce(&mut self, bytes: u64, patience: Duration) -> Result<u64> {
        let from = self.position;
        let mut moved = Instant::now();
        while self.position < from + bytes {
            let taken = self.taken()?.context("nothing was taken")?;
            ensure!(
                taken <= self.position && self.position - taken <= SIZE,
                "{taken} was taken, of {}",
                self.position
            );
            if self.position + 2 * BURST > taken + SIZE {
                if moved.elapsed() > patience {
                    break;
                }
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            self.burst()?;
            moved = Instant::now();
        }
        Ok(self.position - from)
    }

    /// Writes some bytes, and takes its time.
    fn burst(&mut self) -> Result<()> {
        let words = self.position / 4..(self.position + BURST) / 4;
        let burst: Vec<u8> = words
            .flat_map(|word| (word as u32).wrapping_mul(0x9e37_79b1).to_be_bytes())
            .collect();
        let place = RING + self.position % SIZE;
        self.memory.write_all_at(&burst, place)?;
        self.position += BURST;
        self.count()?;
        thread::sleep(Duration::from_secs_f64(BURST as f64 / RATE as f64));
        Ok(())
    }
}

/// Runs in a machine of its own.
pub fn a_device_with_flow_control_loses_nothing_and_its_interrupt_triggers() -> Result<()> {
    let shape = |machine: &mut machine::Machine<'_>| machine.shared_memory = true;
    with_rings("flow", shape, |guest, machine| {
        let mut device = Device::new(machine.open_memory()?)?;
        // A lap and a part, which no program wants.
        while device.position < SIZE + (1 << 20) {
            device.burst()?;
        }
        let said = guest.check("probe ring position /dev/resmem/flowing")?;
        // A trigger, and a register of what was taken.
        ensure!(
            said.contains(&format!(
                "position {} breaks 0 evidence 0 flags 24",
                device.position
            )),
            "{said}"
        );
        ensure!(device.taken()?.is_none(), "something was taken");
        by_a_program(guest, &device)?;
        held_back(guest, &mut device)?;
        triggered(guest, &mut device)
    })
}

/// A program takes some of it.
fn by_a_program(guest: &mut Guest, device: &Device) -> Result<()> {
    let consumed = |position: u64| format!("probe ring consumed /dev/resmem/flowing {position}");
    for (position, outcome) in [
        (device.position + 1, "ERANGE"),
        (device.position - SIZE - 1, "ERANGE"),
        (device.position - 1000, "ok"),
    ] {
        super::expect(guest, &consumed(position), outcome)?;
    }
    // Whole units.
    ensure!(device.taken()? == Some(device.position - 1024));
    // Not back.
    super::expect(guest, &consumed(device.position - 4096), "ok")?;
    ensure!(device.taken()? == Some(device.position - 1024));
    super::expect(
        guest,
        "probe ring consumed /dev/resmem/told 0",
        "EOPNOTSUPP",
    )
}

/// The recorder stands still for longer than the ring holds, and nothing is lost.
fn held_back(guest: &mut Guest, device: &mut Device) -> Result<()> {
    let before = device.taken()?.unwrap_or(0);
    guest.check(
        "rm -f /tmp/status; (sh -c 'echo $$ > /tmp/recorder; exec resdump record flowing /mnt/held --segment 8M \
         --chunk 256K --json' > /tmp/said 2>&1; echo status $? > /tmp/status) &",
    )?;
    // What is in the ring already is not wanted.
    ensure!(device.taken_beyond(before)? == device.position);
    let begin = device.position;
    let patience = Duration::from_secs(60);
    ensure!(
        device.produce(6 << 20, patience)? == 6 << 20,
        "it was stopped"
    );
    guest.check(
        "kill -STOP $(cat /tmp/recorder); until grep -q '^State:.T' /proc/$(cat /tmp/recorder)/status; do :; done",
    )?;
    let more = device.produce(3 * SIZE, Duration::from_secs(2))?;
    ensure!(
        (SIZE / 2..=SIZE).contains(&more),
        "{more} bytes were not held back"
    );
    guest.check("kill -CONT $(cat /tmp/recorder)")?;
    let rest = 3 * SIZE - more;
    ensure!(device.produce(rest, patience)? == rest, "it is not let on");
    let text = ended(guest)?;
    ensure!(
        totals(&text).contains("\"suspect\":0,\"gap\":0")
            && text.contains("\"evidence\":\"exact\"")
            && text.contains("status 0"),
        "{text}"
    );
    // All of it was given back in the end.
    ensure!(
        device.taken()? == Some(device.position),
        "{:?}",
        device.taken()?
    );
    guest.check("resdump verify /mnt/held")?;
    let checked = no_word_is_wrong(guest, "/mnt/held")?;
    let words = (device.position - begin) / 4;
    ensure!(checked.contains(&format!("words {words} ")), "{checked}");
    guest.check("rm -r /mnt/held").map(drop)
}

/// What is typed is an interrupt of the serial line. The device stands still when it comes: so its place is known.
fn triggered(guest: &mut Guest, device: &mut Device) -> Result<()> {
    let before = device.position;
    ensure!(device.produce(2 * PRE, Duration::from_secs(60))? == 2 * PRE);
    let at = device.position;
    guest.check(&format!(
        "rm -f /tmp/status; (sh -c 'echo $$ > /tmp/recorder; exec resdump record flowing /mnt/pulled --segment 1M \
         --chunk 64K --pre {PRE} --post {POST} --json' > /tmp/said 2>&1; echo status $? > /tmp/status) &"
    ))?;
    // It waits, and keeps what belongs to a recording to come; or what the shell has written has triggered it.
    let taken = device.taken_beyond(before)?;
    ensure!((at - PRE..=at).contains(&taken), "{taken} of {at}");
    guest.check("true")?;
    ensure!(device.produce(4 * POST, Duration::from_secs(60))? == 4 * POST);
    guest.check_within(
        "until test -s /mnt/pulled/000000.index; do sleep 1; done",
        60,
    )?;
    let text = ended(guest)?;
    let shown = guest.run("resdump show /mnt/pulled --json")?;
    let shown: Value = serde_json::from_str(totals(&shown.text)).with_context(|| text.clone())?;
    let run = &shown["runs"][0];
    let triggers: Vec<u64> = run["triggers"]
        .as_array()
        .context("no triggers")?
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    // The line may have been busy for a moment longer: then there are more.
    let (first, last) = (triggers.first(), triggers.last());
    ensure!(first == Some(&PRE), "{run}");
    let end = last.map(|last| (last + POST).next_multiple_of(512));
    ensure!(
        run["recorded"].as_u64() == end && run["gap"] == 0 && run["suspect"] == 0,
        "{run}"
    );
    // Each word says where it belongs: from so many bytes before the trigger on.
    no_word_is_wrong(guest, "/mnt/pulled")?;
    super::expect(
        guest,
        &format!(
            "head -c {} /mnt/pulled/000000.seg > /tmp/first; probe ring compare /tmp/first {}",
            PRE + POST,
            at - PRE
        ),
        &format!("ok words {} wrong 0", (PRE + POST) / 4),
    )?;
    guest.check("rm -r /mnt/pulled").map(drop)
}

/// Ends the recorder, and returns what it has printed.
fn ended(guest: &mut Guest) -> Result<String> {
    guest.check_within(
        "kill -INT $(cat /tmp/recorder); until test -s /tmp/status; do sleep 1; done; cat /tmp/said /tmp/status",
        60,
    )
}
