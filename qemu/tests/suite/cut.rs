// SPDX-License-Identifier: MIT
//! A dump that is interrupted, by Ctrl-C and by pulling the plug, and gone on with.
//!
//! The plug is SIGKILL for QEMU: the guest's memory and all that it had not yet handed to its disk
//! are gone. What the disk had accepted is kept, flushed or not, because the host does not crash:
//! that a flush comes where it must is not shown here. Nor does memory survive a power cut; the
//! region holds the same bytes afterwards because the host puts them there again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use harness::board::Board;
use harness::devicetree::Region;
use harness::disk::Disk;
use harness::guest::{Guest, TAINT_OUT_OF_TREE};
use harness::image::Image;
use harness::machine::Machine;
use harness::paths::Paths;
use harness::run::fill_with_random;

use crate::bed::{self, same};

const SIZE: u64 = 96 << 20;
const BASE: u64 = 0x1000_0000;
/// Slow enough that there is a middle.
const RATE: u64 = 16 << 20;
const DUMP: &str = "resdump -v dump capture /mnt/file --checkpoint 1 --chunk 1M --resume";

/// Runs in two machines of its own.
pub fn a_dump_goes_on_after_ctrl_c_and_after_a_power_cut() -> Result<()> {
    let paths = Paths::discover()?;
    let board = bed::board(&paths)?;
    let image = bed::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out("suite/cut")?;
    let content = folder.join("content.bin");
    fill_with_random(&content, SIZE)?;
    let disk = Disk::ext4(&folder.join("ext4.img"), 2 * SIZE)?;

    let mut slow = disk.clone();
    slow.options = format!(",throttling.bps-write={RATE}");
    let mut guest = boot(&board, &image, &folder, &content, slow)?;
    if let Err(error) = interrupted(&mut guest) {
        bail!("{error:#}\n{}", guest.report());
    }
    guest.kill()?;

    let mut guest = boot(&board, &image, &folder, &content, disk.clone())?;
    if let Err(error) = gone_on_with(&mut guest) {
        bail!("{error:#}\n{}", guest.report());
    }
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    same(&disk.read_ext4("file")?, &fs::read(&content)?)
}

fn boot(board: &Board, image: &Image, folder: &Path, content: &Path, disk: Disk) -> Result<Guest> {
    let mut machine = Machine::new(board, image, folder);
    machine.regions = Some(vec![Region::new("capture", BASE, SIZE)]);
    machine.disks = vec![disk];
    machine.fill("capture", content)?;
    let mut guest = machine.start()?;
    let ready = guest
        .wait_for_shell()
        .and_then(|_| guest.check("mount -t ext4 /dev/vda /mnt"));
    match ready {
        Ok(_) => Ok(guest),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

/// Leaves a dump in the middle, twice.
fn interrupted(guest: &mut Guest) -> Result<()> {
    guest.start(DUMP)?;
    guest.wait_for("checkpoint: ", 60)?;
    guest.type_bytes(b"\x03")?;
    let ended = guest.finish(60)?;
    ensure!(
        ended.status == 9
            && ended.text.contains("EINTR (4): stopped by a signal; ")
            && ended
                .text
                .contains("bytes are on the target, go on with --resume"),
        "{ended:?}"
    );
    let before = durable(guest)?;
    // A benchmark takes its file away.
    guest.start("resdump -v bench /mnt/rates --length 64M")?;
    guest.wait_for("engine kernel", 60)?;
    guest.type_bytes(b"\x03")?;
    let ended = guest.finish(60)?;
    ensure!(
        ended.status == 9
            && ended
                .text
                .contains("benchmark interrupted: /mnt/rates: EINTR (4)"),
        "{ended:?}"
    );
    guest.check("! test -e /mnt/rates")?;
    let output = guest.run("resdump snapshot capture /mnt/snapshot")?;
    ensure!(
        output.status == 5
            && output
                .text
                .contains("too much for a snapshot: --length 0x6000000"),
        "{output:?}"
    );
    guest.start(DUMP)?;
    // Beyond what Ctrl-C has left.
    guest.wait_for("bytes are there, the last ", 60)?;
    guest.wait_for("checkpoint: ", 60)?;
    let line = guest.wait_for(" bytes are durable", 60)?;
    let bytes: u64 = line.trim().parse().context("a number of bytes")?;
    ensure!(
        before < bytes && bytes < SIZE,
        "{bytes} of {SIZE} bytes, {before} before"
    );
    Ok(())
}

/// What the manifest promises.
fn durable(guest: &mut Guest) -> Result<u64> {
    let text = guest.check("cat /mnt/file.json")?;
    let manifest: Value = serde_json::from_str(&text)?;
    let bytes = manifest["bytes"].as_u64().context("no bytes")?;
    ensure!(
        manifest["complete"] == false && 0 < bytes && bytes < SIZE,
        "{manifest}"
    );
    Ok(bytes)
}

fn gone_on_with(guest: &mut Guest) -> Result<()> {
    let bytes = durable(guest)?;
    let output = guest.run("resdump verify /mnt/file")?;
    ensure!(output.status == 13, "{output:?}");
    let text = guest.check("resdump dump capture /mnt/file --resume --verify --quiet --json")?;
    let answer: Value = serde_json::from_str(&text)?;
    let resumed = answer["resumed"].as_u64().context("resumed")?;
    // What is resumed is a multiple of a page.
    ensure!(
        resumed <= bytes && bytes - resumed < 4096 && answer["verified"] == true,
        "{answer}, {bytes} bytes were durable"
    );
    guest.check("resdump verify /mnt/file --against capture && umount /mnt")?;
    guest.check_health(TAINT_OUT_OF_TREE)
}
