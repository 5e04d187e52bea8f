// SPDX-License-Identifier: MIT
//! A dump that is stopped by Ctrl-C and resumed. What a power cut does is tested by `powercut`.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use board::devicetree::Region;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};

const SIZE: u64 = 96 << 20;
const BASE: u64 = 0x1000_0000;
/// Slow enough that there is a middle.
const RATE: u64 = 16 << 20;
const DUMP: &str = "resdump -v dump capture /mnt/file --checkpoint 1 --chunk 1M --resume";

pub fn cases() -> Vec<Case> {
    vec![case!(alone, a_dump_is_resumed_after_ctrl_c)]
}

/// Runs in a machine of its own.
fn a_dump_is_resumed_after_ctrl_c() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "interrupted"))?;
    let content = folder.join("content.bin");
    fill_with_random(&content, SIZE)?;
    let disk = Disk::ext4(&folder.join("ext4.img"), 2 * SIZE)?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.regions = Some(vec![Region::new("capture", BASE, SIZE)]);
    machine.fill("capture", &content)?;
    machine.disks = vec![disk.clone().throttled(RATE)];
    let mut guest = machine.start()?;
    let done = guest
        .wait_for_shell()
        .and_then(|_| guest.check("mount -t ext4 /dev/vda /mnt"))
        .and_then(|_| interrupted(&mut guest))
        .and_then(|bytes| resumed(&mut guest, bytes));
    if let Err(error) = done {
        bail!("{error:#}\n{}", guest.report());
    }
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    same(&disk.read_ext4("file")?, &fs::read(&content)?)
}

/// Leaves a dump in the middle; how many bytes of it are durable.
fn interrupted(guest: &mut Guest) -> Result<u64> {
    guest.start(DUMP)?;
    guest.wait_for("checkpoint: ", 60)?;
    guest.type_bytes(b"\x03")?;
    let ended = guest.finish(60)?;
    ensure!(
        ended.status == 9
            && ended.text.contains("EINTR (4): stopped by a signal; ")
            && ended.text.contains("bytes are on the target, ")
            && ended.text.trim_end().ends_with("--resume"),
        "{ended:?}"
    );
    let bytes = durable(guest)?;
    // A benchmark removes its file.
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
    Ok(bytes)
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

fn resumed(guest: &mut Guest, bytes: u64) -> Result<()> {
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
