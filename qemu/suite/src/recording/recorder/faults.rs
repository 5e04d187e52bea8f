// SPDX-License-Identifier: MIT
//! Faults during a recording.
//!
//! Outcome of each: nothing that the index calls whole is wrong; what is lost or suspect is named, and the exit status
//! says that there is some; a stall that the ring can hold loses nothing.

use anyhow::{Result, ensure};

use machine::guest::Guest;
use machine::monitor::Fault;

use super::{no_word_is_wrong, totals, with_rings};

/// Bytes a second of a disk that stands still.
const STALLED: u64 = 1;

/// Runs in a machine of its own.
pub fn faults_during_a_recording_are_gaps_that_the_index_names() -> Result<()> {
    let shape = |machine: &mut machine::Machine<'_>| machine.monitor = true;
    with_rings("faults", shape, |guest, _| {
        held_by_the_ring(guest)?;
        stalled_for_laps(guest)?;
        throttled(guest)?;
        rehearsed(guest)?;
        two_rings(guest)?;
        rotated(guest)?;
        full(guest)?;
        failing(guest)?;
        removed(guest)
    })
}

/// A recorder that runs in the guest.
struct Recorder {
    region: &'static str,
    folder: &'static str,
}

const TOLD: Recorder = Recorder {
    region: "told",
    folder: "/mnt/told",
};
const OTHER: Recorder = Recorder {
    region: "other",
    folder: "/mnt/other",
};

impl Recorder {
    /// Starts it, and returns when it has written its first checkpoint.
    fn begin(&self, guest: &mut Guest, more: &str) -> Result<()> {
        let Self { region, folder } = self;
        guest
            .check_within(
                &format!(
                    "probe ring doorbell /dev/resmem/{region} 0; rm -rf /tmp/{region}.* {folder}; \
                     (sh -c 'echo $$ > /tmp/{region}.pid; exec resdump record {region} {folder} \
                     --depth 2 --json {more}' > /tmp/{region}.said 2>&1; echo status $? > /tmp/{region}.status) & \
                     until test -s {folder}/000000.index || test -s /tmp/{region}.status; do sleep 1; done; \
                     ! test -s /tmp/{region}.status || {{ cat /tmp/{region}.said; false; }}"
                ),
                60,
            )
            .map(drop)
    }

    /// The device writes `bytes` more.
    fn produce(&self, guest: &mut Guest, bytes: u64, rate: u64) -> Result<()> {
        let command = format!(
            "probe ring produce /dev/resmem/{} {bytes} --rate {rate}",
            self.region
        );
        guest.check_within(&command, 120).map(drop)
    }

    fn signal(&self, guest: &mut Guest, signal: &str) -> Result<()> {
        let command = format!("kill -{signal} $(cat /tmp/{}.pid)", self.region);
        guest.check(&command).map(drop)
    }

    /// Waits for its end: what it has printed, and `status N`.
    fn end(&self, guest: &mut Guest) -> Result<String> {
        let region = self.region;
        guest.check_within(
            &format!(
                "until test -s /tmp/{region}.status; do sleep 1; done; cat /tmp/{region}.said /tmp/{region}.status"
            ),
            60,
        )
    }

    fn ends_whole(&self, guest: &mut Guest, signal: &str) -> Result<String> {
        self.signal(guest, signal)?;
        let text = self.end(guest)?;
        ensure!(
            text.contains("status 0") && totals(&text).contains("\"suspect\":0,\"gap\":0"),
            "{text}"
        );
        guest.check(&format!("resdump verify {}", self.folder))?;
        no_word_is_wrong(guest, self.folder)?;
        Ok(text)
    }
}

/// The disk stands still while the device fills a part of the ring.
fn held_by_the_ring(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--chunk 256K")?;
    TOLD.produce(guest, 1 << 20, 4_000_000)?;
    guest.monitor()?.throttle(0, STALLED)?;
    TOLD.produce(guest, 2 << 20, 2_000_000)?;
    guest.monitor()?.throttle(0, 0)?;
    TOLD.produce(guest, 2 << 20, 2_000_000)?;
    TOLD.ends_whole(guest, "HUP").map(drop)
}

/// It stands still while the device does laps: what was in flight is suspect, what came behind it is lost, and the
/// counts are of all that the device has written.
fn stalled_for_laps(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--chunk 256K")?;
    TOLD.produce(guest, 1 << 20, 4_000_000)?;
    guest.monitor()?.throttle(0, STALLED)?;
    TOLD.produce(guest, 12 << 20, 0)?;
    guest.monitor()?.throttle(0, 0)?;
    TOLD.produce(guest, 1 << 20, 1_000_000)?;
    TOLD.signal(guest, "INT")?;
    let text = TOLD.end(guest)?;
    ensure!(
        text.contains("status 14")
            && !totals(&text).contains("\"suspect\":0,")
            && !totals(&text).contains("\"gap\":0,"),
        "{text}"
    );
    let checked = no_word_is_wrong(guest, TOLD.folder)?;
    let numbers: Vec<u64> = checked
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [words, _, suspect, lost] = numbers[..] else {
        anyhow::bail!("{checked}");
    };
    ensure!(words * 4 + suspect + lost == 14 << 20, "{checked}: {text}");
    Ok(())
}

/// The disk is a little faster than the device.
fn throttled(guest: &mut Guest) -> Result<()> {
    guest.monitor()?.throttle(0, 2_500_000)?;
    TOLD.begin(guest, "--segment 4M --chunk 256K")?;
    TOLD.produce(guest, 12 << 20, 2_000_000)?;
    guest.monitor()?.throttle(0, 0)?;
    TOLD.ends_whole(guest, "TERM").map(drop)
}

/// The disk is slower than the rate that is asked about.
fn rehearsed(guest: &mut Guest) -> Result<()> {
    guest.monitor()?.throttle(0, 1_000_000)?;
    let output = guest.run(
        "resdump record told /mnt/trial --rehearse=6M --segment 4M --chunk 256K --duration 8",
    )?;
    guest.monitor()?.throttle(0, 0)?;
    ensure!(
        output.status == 14 && output.text.contains("6291456 bytes a second: not held"),
        "{output:?}"
    );
    guest.check("! test -e /mnt/trial").map(drop)
}

fn two_rings(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--chunk 256K")?;
    OTHER.begin(guest, "--chunk 256K")?;
    guest.check_within(
        "probe ring produce /dev/resmem/told 8388608 --rate 2000000 > /dev/null & told=$!; \
         probe ring produce /dev/resmem/other 8388608 --rate 2000000; wait $told",
        60,
    )?;
    TOLD.ends_whole(guest, "INT")?;
    OTHER.ends_whole(guest, "INT").map(drop)
}

/// Each segment takes a chunk.
fn rotated(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--segment 64K --chunk 64K")?;
    TOLD.produce(guest, 8 << 20, 1_000_000)?;
    let text = TOLD.ends_whole(guest, "INT")?;
    ensure!(text.contains("\"segments\":128,"), "{text}");
    Ok(())
}

/// There is no room for a segment.
fn full(guest: &mut Guest) -> Result<()> {
    guest.check(
        "free=$(df -k /mnt | awk 'END { print $4 }'); fallocate -l $(((free - 20480) << 10)) /mnt/filler",
    )?;
    TOLD.begin(guest, "--segment 4M --chunk 256K")?;
    TOLD.produce(guest, 32 << 20, 4_000_000)?;
    let text = TOLD.end(guest)?;
    guest.check("rm /mnt/filler")?;
    ensure!(
        text.contains("status 7") && text.contains("ENOSPC"),
        "{text}"
    );
    // It ended as it should, with what it had, and says what it had not.
    let output = guest.run(&format!("resdump verify {}", TOLD.folder))?;
    ensure!(output.status == 14, "{output:?}");
    no_word_is_wrong(guest, TOLD.folder).map(drop)
}

/// Each request fails, flushes included.
fn failing(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--chunk 256K")?;
    TOLD.produce(guest, 2 << 20, 2_000_000)?;
    // A checkpoint has said what is on the disk.
    guest.check_within(
        &format!(
            "while probe ring check {} | grep -q 'words 0 '; do sleep 1; done",
            TOLD.folder
        ),
        60,
    )?;
    guest.monitor()?.inject(0, Fault::All)?;
    TOLD.produce(guest, 1 << 20, 2_000_000)?;
    let text = TOLD.end(guest)?;
    guest.monitor()?.heal(0)?;
    ensure!(text.contains("status 8") && text.contains("EIO"), "{text}");
    guest.check("umount /mnt; mount -t ext4 /dev/vda /mnt")?;
    let output = guest.run(&format!("resdump verify {}", TOLD.folder))?;
    ensure!(matches!(output.status, 13 | 14), "{output:?}");
    no_word_is_wrong(guest, TOLD.folder).map(drop)
}

/// The controller is removed.
fn removed(guest: &mut Guest) -> Result<()> {
    TOLD.begin(guest, "--chunk 256K")?;
    TOLD.produce(guest, 1 << 20, 2_000_000)?;
    guest.check("echo 1 > /sys/block/vda/device/../remove")?;
    TOLD.produce(guest, 1 << 20, 2_000_000)?;
    let text = TOLD.end(guest)?;
    ensure!(text.contains("status 8"), "{text}");
    Ok(())
}
