// SPDX-License-Identifier: MIT
//! Disks that boards have, and virtual machines do not: each is dumped to by every engine, what the host finds on it is
//! compared, and its limits and the cost of a dump are those of the table in the documents.

mod table;

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use board::Need;
use host::paths::Paths;
use labs::bench::metered;
use labs::run::fill_with_random;
use machine::Machine;
use machine::attachment::Attachment;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};
use table::{Limits, Row};

/// The kernel that has their drivers.
const FLAVOUR: &str = "disks";
/// The region, which every engine writes behind what the one before it has written.
const LABEL: &str = "capture";
/// Each with what is said to the dumper; the last has larger requests where the disk takes them.
const ENGINES: [&str; 4] = ["kernel", "mmap", "read", "kernel --tune"];
/// Where a dump's fixed cost is measured.
const PAGE: u64 = 4096;

pub fn cases() -> Vec<Case> {
    let cases = [
        case!(alone, a_virtio_disk),
        case!(alone, a_sata_disk),
        case!(alone, an_nvme_disk),
        case!(alone, an_sd_card),
        case!(alone, usb_storage_at_high_speed),
        case!(alone, usb_storage_at_superspeed),
    ];
    let needing = cases.map(|case| {
        case.needs(Need::UsualDisks)
            .needs(Need::InstructionCounts)
            .flavour(FLAVOUR)
            .limit(900)
    });
    needing.into()
}

fn a_virtio_disk() -> Result<()> {
    disk(Attachment::Virtio, "virtio-blk", "vda")
}

fn a_sata_disk() -> Result<()> {
    disk(Attachment::Sata, "SATA (AHCI)", "sda")
}

fn an_nvme_disk() -> Result<()> {
    disk(Attachment::Nvme, "NVMe", "nvme0n1")
}

fn an_sd_card() -> Result<()> {
    disk(Attachment::SdCard, "SD card (SDHCI)", "mmcblk0")
}

fn usb_storage_at_high_speed() -> Result<()> {
    disk(Attachment::UsbHighSpeed, "USB storage (EHCI)", "sda")
}

fn usb_storage_at_superspeed() -> Result<()> {
    disk(Attachment::UsbSuperSpeed, "USB storage (xHCI)", "sda")
}

/// In a machine of its own, in which a guest instruction is a nanosecond. `title` is the disk's in the table, `name`
/// the kernel's.
fn disk(attachment: Attachment, title: &str, name: &str) -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, FLAVOUR)?;
    let folder = paths.fresh_out(&frame::below(&board, &format!("disk-{attachment:?}")))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.icount = true;
    machine.append = "resdump.requests=keep".to_owned();
    machine.attachment = attachment;
    let size = machine.own_region(LABEL)?.1;
    let content = folder.join("content.bin");
    fill_with_random(&content, size)?;
    machine.fill(LABEL, &content)?;
    let bytes = size * ENGINES.len() as u64;
    let disk = Disk::empty(&folder.join("disk.img"), bytes)?.unflushed();
    machine.disks = vec![disk.clone()];
    let mut guest = machine.start()?;
    let found = guest
        .wait_for_shell()
        .and_then(|_| measured(&mut guest, name, size))
        .and_then(|row| guest.check_health(TAINT_OUT_OF_TREE).map(|()| row));
    let row = match found {
        Ok(row) => row,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    let expected = fs::read(&content)?;
    for (engine, place) in ENGINES.iter().zip(0..) {
        same(&disk.read(place * size, size)?, &expected)
            .with_context(|| format!("engine {engine}"))?;
    }
    table::compare(&paths, title, &row)
}

/// Dumps by each engine, one behind the other, and then what each costs.
fn measured(guest: &mut Guest, name: &str, size: u64) -> Result<Row> {
    let device = format!("/dev/{name}");
    // What the kernel says of a disk that it finds would be within what commands say.
    guest.check("dmesg -n 1")?;
    // USB storage is found seconds after its controller.
    guest.check(&format!("until [ -b {device} ]; do sleep 1; done"))?;
    let limits = limits(guest, name)?;
    let mut dumps = Vec::new();
    for (engine, place) in ENGINES.iter().zip(0..) {
        let command = format!(
            "resdump dump {LABEL} {device} --engine {engine} --seek {} --force --json",
            place * size
        );
        let said: Value = serde_json::from_str(&guest.check_within(&command, 600)?)?;
        ensure!(
            said["complete"] == true && said["bytes"] == size,
            "{engine}: {said}"
        );
        let is_direct = said["direct"] == size && said["copied"] == 0;
        ensure!(is_direct == (*engine != "read"), "{engine}: {said}");
        let number = |field: &str| said[field].as_u64().with_context(|| format!("{said}"));
        dumps.push((number("chunk")?, number("depth")?));
    }
    ensure!(self::limits(guest, name)? == limits, "a limit stays");
    let mut cost = |dump: usize| -> Result<f64> {
        let (chunk, depth) = dumps[dump];
        let mut of = |length: u64| {
            let engine = ENGINES[dump];
            let command = format!(
                "resdump dump {LABEL} {device} --engine {engine} --chunk {chunk} --depth {depth} --force --quiet \
                 --length {length}"
            );
            metered(guest, &command, 9)
        };
        Ok((of(size)? - of(PAGE)?) / ((size - PAGE) as f64 / f64::from(1 << 20)))
    };
    Ok(Row {
        kernel: cost(0)?,
        mmap: cost(1)?,
        tuned: cost(3)?,
        chunk: dumps[0].0,
        depth: dumps[0].1,
        limits,
    })
}

fn limits(guest: &mut Guest, name: &str) -> Result<Limits> {
    let mut of = |limit: &str| -> Result<u64> {
        let text = guest.check(&format!("cat /sys/block/{name}/queue/{limit}"))?;
        text.trim()
            .parse()
            .with_context(|| format!("{limit}: {text}"))
    };
    Ok(Limits {
        now_kib: of("max_sectors_kb")?,
        hardware_kib: of("max_hw_sectors_kb")?,
        segments: of("max_segments")?,
        segment_bytes: of("max_segment_size")?,
        requests: of("nr_requests")?,
        rotational: of("rotational")? != 0,
    })
}
