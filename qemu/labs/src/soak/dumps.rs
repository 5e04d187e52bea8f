// SPDX-License-Identifier: MIT
//! Dumps, loads and snapshots in a loop, while others take memory and disk from them. Between two
//! rounds it is quiet, and what the kernel holds is counted.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::figures::{Figures, figures};
use super::report::Report;
use super::round::{Done, Stage, round};
use crate::run::fill_with_random;
use board::Board;
use board::Image;
use board::devicetree::Region;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

/// The region that is dumped: where, and how large.
const CAPTURE: (u64, u64) = (0x1000_0000, 64 << 20);
/// The region that is loaded.
const SCRATCH: (u64, u64) = (0x0f00_0000, 1 << 20);
/// Minutes between two searches for unreferenced memory.
const SEARCH: Duration = Duration::from_secs(300);

/// Runs for some minutes and leaves `out/soak/dumps.json` and `dumps.md`.
pub(super) fn soak(paths: &Paths, board: &Board, image: &Image, minutes: u64) -> Result<bool> {
    let folder = paths.fresh_out("soak")?;
    let (stage, mut guest) = start(board, image, &folder)?;
    let report = match run(&mut guest, &stage, Duration::from_secs(60 * minutes)) {
        Ok(report) => report,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");

    let text = report.markdown();
    fs::write(folder.join("dumps.md"), &text)?;
    let json = serde_json::to_string_pretty(&report)?;
    fs::write(folder.join("dumps.json"), json + "\n")?;
    println!("{text}\nreport: {}", folder.join("dumps.json").display());
    Ok(report.passed())
}

fn start(board: &Board, image: &Image, folder: &Path) -> Result<(Stage, Guest)> {
    let content = folder.join("capture.bin");
    fill_with_random(&content, CAPTURE.1)?;
    let other = folder.join("other.img");
    fill_with_random(&other, SCRATCH.1)?;
    let raw = Disk::empty(&folder.join("raw.img"), CAPTURE.1 + SCRATCH.1)?.unflushed();
    let ext4 = Disk::ext4(&folder.join("ext4.img"), 512 << 20)?.unflushed();
    let other = Disk {
        path: other,
        offset: 0,
        options: String::new(),
    };
    let stage = Stage {
        raw: raw.clone(),
        capture: fs::read(&content)?,
        page: board.page() >> 10,
    };
    let mut machine = Machine::new(board, image, folder);
    machine.tools = true;
    machine.cpus = board.qemu()?.cpus_max.min(2);
    machine.regions = Some(vec![
        Region::new("capture", CAPTURE.0, CAPTURE.1),
        Region::new("scratch", SCRATCH.0, SCRATCH.1).writable(),
    ]);
    machine.disks = vec![raw, ext4, other];
    machine.fill("capture", &content)?;
    let mut guest = machine.start()?;
    let ready = guest
        .wait_for_shell()
        .and_then(|_| guest.check("mount -t ext4 /dev/vdb /mnt"));
    match ready {
        Ok(_) => Ok((stage, guest)),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn run(guest: &mut Guest, stage: &Stage, length: Duration) -> Result<Report> {
    let mut done = Done::default();
    let mut samples: Vec<Figures> = Vec::new();
    let (started, mut searched) = (Instant::now(), Instant::now());
    // One round to fill what is filled once and kept; and two that can be compared.
    while started.elapsed() < length || samples.len() < 2 {
        round(guest, stage, &mut done)?;
        guest.check_health(TAINT_OUT_OF_TREE)?;
        if done.rounds == 1 {
            continue;
        }
        let sample = figures(guest, stage.page, started.elapsed())?;
        println!("    {}", sample.line(&done));
        samples.push(sample);
        if searched.elapsed() >= SEARCH {
            guest.check_detectors()?;
            done.searches += 1;
            searched = Instant::now();
        }
    }
    guest.check("umount /mnt")?;
    guest.check_detectors()?;
    done.searches += 1;
    Ok(Report::new(started.elapsed(), done, samples))
}
