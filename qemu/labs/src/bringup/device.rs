// SPDX-License-Identifier: MIT
//! A device writes to the region while the processor has its lines in the cache: a dump has the device's bytes. The
//! device is any DMA engine of the kernel's, which `copier.ko` (qemu/dmaengine) gives the bare address.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{NO_DISK, Outcome, Session};
use machine::detectors::TAINT_OUT_OF_TREE;

/// What is written, one pattern after the other, so that stale bytes are those of the one before.
const SEEDS: [&str; 2] = ["5eed0001", "a11ce002"];
/// Engines whose dumps are looked at: one has the processor read memory, while its caches may still have what was there
/// before; the other the disk's controller.
const ENGINES: [&str; 2] = ["read", "kernel"];
/// Bytes that it writes. QEMU's `edu` takes a tenth of a second for 2048 of them in each direction.
const LENGTH: u64 = 65536;
/// A unit of direct I/O to the disk.
const BLOCK: u64 = 4096;

pub fn device(session: &mut Session<'_>) -> Result<Outcome> {
    let Some(disk) = session.place.disk() else {
        return Ok(Outcome::not_shown(NO_DISK));
    };
    let modules = session.place.modules();
    let listed = session.json("resdump list")?;
    let region = &listed["regions"][0];
    let base = region["base"].as_u64().context("no base")?;
    let length = LENGTH.min(region["size"].as_u64().context("no size")?) & !3;
    let label = session.region.clone();
    let guest = session.guest()?;
    if guest.run(&format!("test -e {modules}/copier.ko"))?.status != 0 {
        return Ok(Outcome::not_shown(
            "no copier.ko: start the system with tools.cpio behind rootfs.cpio, or let WRITE_MEDIUM bring it",
        ));
    }
    // Where the device is not there the driver has nothing to do.
    guest.check(&format!(
        "test -d /sys/module/copier || {{ \
         {{ test ! -e {modules}/edu_dma.ko || insmod {modules}/edu_dma.ko; }} && insmod {modules}/copier.ko; }}"
    ))?;
    for seed in SEEDS {
        // The processor's caches have what is there before: of no more than is written, or that is out of them again.
        guest.check(&format!("head -c {length} /dev/resmem/{label} >/dev/null"))?;
        let write = format!("echo {base:x} {length:x} {seed} >/dev/copier");
        let said = guest.run_within(&write, 600)?;
        if said.status != 0 && said.text.contains("No such device") {
            return Ok(Outcome::not_shown("no DMA engine: not shown"));
        }
        ensure!(said.status == 0, "{write}: {}", said.text);
        // Each has a place of its own on the disk, where its dump of the pattern before is.
        let blocks = length.div_ceil(BLOCK);
        let mut dumps = Vec::new();
        for (engine, skip) in ENGINES.into_iter().zip([0, blocks]) {
            guest.check(&format!(
                "resdump dump {label} {disk} --length {length} --seek {} --engine {engine} --force --quiet",
                skip * BLOCK
            ))?;
            let found = guest.check(&format!(
                "dd if={disk} iflag=direct bs={BLOCK} skip={skip} count={blocks} 2>/dev/null | head -c {length} | \
                 sha256sum"
            ))?;
            dumps.push((engine, found));
        }
        let wanted = guest.check("sha256sum </dev/copier")?;
        for (engine, found) in dumps {
            ensure!(
                found == wanted,
                "a dump by the engine {engine} has other bytes than the device wrote: mark the driver's node \
                 device-writes"
            );
        }
    }
    let engine = guest.check("dmesg | sed -n 's/.*copier: //p' | tail -n 1")?;
    guest.check_health(TAINT_OUT_OF_TREE)?;
    let line = format!("{length} bytes by {}: each dump has them", engine.trim());
    Ok(Outcome::passed(&line).with(json!({ "engine": engine.trim(), "bytes": length })))
}
