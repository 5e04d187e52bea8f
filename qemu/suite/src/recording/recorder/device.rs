// SPDX-License-Identifier: MIT
//! Hardware that the host plays: it writes the guest's memory while the guest runs.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};

use machine::guest::Guest;

use super::{expect, no_word_is_wrong, totals, with_rings};
use crate::recording::pass_time;

/// Of the region `counted`, and of its register.
const RING: u64 = 0x1100_0000;
const RING_SIZE: u64 = 16 << 20;
const REGISTER: u64 = 0x1200_0010;
const UNIT: u64 = 64;
/// Bytes after which the counter is 0 again.
const SPAN: u64 = UNIT << 20;
/// Bytes that the device writes before it counts them.
const BURST: u64 = 4096;
/// A rate that leaves a slow host four seconds of the ring.
const RATE: u64 = 4 << 20;

/// Where `pulse` and `quiet` have their counters.
const PULSE: u64 = 0x1210_0000;
const QUIET: u64 = 0x1220_0000;

/// A device with a ring and a counter.
struct Device {
    memory: File,
    position: u64,
}

impl Device {
    /// Writes `bytes` more, each word as the probe expects it, at no more than `rate` bytes a second or as fast as can be.
    fn produce(&mut self, bytes: u64, rate: Option<u64>) -> Result<()> {
        let from = self.position;
        while self.position < from + bytes {
            let words = self.position / 4..(self.position + BURST) / 4;
            let burst: Vec<u8> = words
                .flat_map(|word| (word as u32).wrapping_mul(0x9e37_79b1).to_be_bytes())
                .collect();
            let place = RING + self.position % RING_SIZE;
            self.memory.write_all_at(&burst, place)?;
            self.position += BURST;
            self.count()?;
            if let Some(rate) = rate {
                pass_time(BURST, rate);
            }
        }
        Ok(())
    }

    /// What the register says: bits above those of the counter are not part of it.
    fn count(&self) -> Result<()> {
        let counter = (self.position % SPAN / UNIT) as u32 | 0xabc0_0000;
        Ok(self.memory.write_all_at(&counter.to_be_bytes(), REGISTER)?)
    }
}

/// Runs in a machine of its own.
pub fn the_host_fills_a_ring_and_the_register_and_interrupt_are_those_of_hardware() -> Result<()> {
    let shape = |machine: &mut machine::Machine<'_>| machine.shared_memory = true;
    with_rings("device", shape, |guest, machine| {
        let memory = machine.open_memory()?;
        interrupts(guest, &memory)?;
        let mut device = Device {
            memory,
            // It starts again from 0 within the first recording.
            position: SPAN - (8 << 20),
        };
        device.count()?;
        expect(
            guest,
            "probe ring position /dev/resmem/counted",
            &format!("position {} breaks 0 evidence 0 flags 0", device.position),
        )?;
        recorded(guest, &mut device)?;
        lapped(guest, &mut device)
    })
}

/// A process that waits is woken by the interrupt and by nothing else.
fn interrupts(guest: &mut Guest, memory: &File) -> Result<()> {
    let taken = guest.check("cat /proc/interrupts")?;
    ensure!(taken.contains("resmem"), "{taken}");
    for (region, counter, outcome) in [
        ("quiet", QUIET, "ETIMEDOUT"),
        ("pulse", PULSE, "ok reached"),
    ] {
        // It waits once it sleeps.
        guest.check(&format!(
            "probe ring wait /dev/resmem/{region} 4096 --by eventfd --seconds 4 > /tmp/waited & waiter=$!; \
             until test \"$(cut -d' ' -f3 /proc/$waiter/stat)\" = S; do :; done"
        ))?;
        memory.write_all_at(&8192u64.to_be_bytes(), counter)?;
        // What is typed here is an interrupt of the serial line.
        expect(guest, "wait $waiter; cat /tmp/waited", outcome)?;
    }
    Ok(())
}

/// The counter is 0 again on the way, and nothing is lost.
fn recorded(guest: &mut Guest, device: &mut Device) -> Result<()> {
    begin(guest, "/mnt/whole")?;
    device.produce(24 << 20, Some(RATE))?;
    let text = end(guest)?;
    ensure!(
        totals(&text).contains("\"suspect\":0,\"gap\":0")
            && text.contains("\"evidence\":\"exact\"")
            && text.contains("status 0"),
        "{text}"
    );
    guest.check("resdump verify /mnt/whole")?;
    let checked = no_word_is_wrong(guest, "/mnt/whole")?;
    // The first block is not whole, perhaps.
    ensure!(
        checked.contains(&format!("words {} ", (24 << 20) / 4)),
        "{checked}"
    );
    guest.check("rm -r /mnt/whole").map(drop)
}

/// Three laps at once, while the disk reads.
fn lapped(guest: &mut Guest, device: &mut Device) -> Result<()> {
    begin(guest, "/mnt/lapped")?;
    device.produce(4 << 20, Some(RATE))?;
    device.produce(3 * RING_SIZE, None)?;
    device.produce(4 << 20, Some(RATE))?;
    let text = end(guest)?;
    ensure!(text.contains("status 14"), "{text}");
    let checked = no_word_is_wrong(guest, "/mnt/lapped")?;
    ensure!(!checked.contains(" lost 0"), "{checked}");
    guest.check("rm -r /mnt/lapped").map(drop)
}

/// Starts a recorder, and returns when it has followed the device for a while: it has written its first checkpoint.
fn begin(guest: &mut Guest, folder: &str) -> Result<()> {
    guest
        .check(&format!(
            "rm -f /tmp/status; (sh -c 'echo $$ > /tmp/recorder; exec resdump record counted {folder} --segment 8M \
             --chunk 512K --json' > /tmp/said 2>&1; echo status $? > /tmp/status) & \
             until test -s {folder}/000000.index; do sleep 1; done"
        ))
        .map(drop)
}

/// Ends it, and returns what it has printed.
fn end(guest: &mut Guest) -> Result<String> {
    guest.check_within(
        "kill -INT $(cat /tmp/recorder); until test -s /tmp/status; do sleep 1; done; \
         cat /tmp/said /tmp/status",
        60,
    )
}
