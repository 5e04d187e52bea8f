// SPDX-License-Identifier: MIT
//! Memory with page structures that the kernel does not map: `no-map` on Book3S of 32 bits. Its firmware makes the
//! device tree, so the region is in the settings of its firmware.

use std::fs;

use anyhow::{Result, bail, ensure};

use board::Need;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};

const BASE: u64 = 0x1000_0000;
const SIZE: u64 = 1 << 20;
const NODE: &str = "/dev/resmem/hidden";

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, memory_that_the_kernel_does_not_map_is_copied)
            .needs(Need::OpenFirmware)
            .flavour("lab"),
    ]
}

/// Forth for the region, and for a node of the driver. On this machine the kernel makes a device of a few nodes
/// alone, which it knows by their type; one of them is that of a fan.
fn nodes() -> String {
    let reserved = "new-device \" reserved-memory\" device-name \
                    1 encode-int \" #address-cells\" property 1 encode-int \" #size-cells\" property \
                    0 0 \" ranges\" property";
    let region = format!(
        "new-device \" hidden\" device-name {BASE:x} encode-int {SIZE:x} encode-int encode+ \" reg\" property \
         0 0 \" no-map\" property 5245 encode-int \" phandle\" property finish-device"
    );
    let driver = "new-device \" resmem\" device-name \" fcu\" device-type \
                  \" resdump,resmem\" encode-string \" compatible\" property \
                  5245 encode-int \" memory-region\" property finish-device";
    format!("dev / {reserved} {region} finish-device {driver} device-end")
}

/// Runs in a machine of its own.
fn memory_that_the_kernel_does_not_map_is_copied() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let folder = paths.fresh_out(&frame::below(&board, "no-map"))?;
    let content = folder.join("hidden.bin");
    fill_with_random(&content, SIZE)?;
    let disk = Disk::empty(&folder.join("raw.img"), 4 * SIZE)?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.firmware = Some(nodes());
    machine.regions = Some(Vec::new());
    machine.loads = vec![(content.clone(), BASE)];
    machine.disks = vec![disk.clone()];
    machine.tools = true;
    let mut guest = machine.start()?;
    match play(&mut guest) {
        Ok(()) => ensure!(guest.power_off()?.success(), "QEMU failed"),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
    let content = fs::read(&content)?;
    same(&disk.read(0, SIZE)?, &content)?;
    same(&disk.read(SIZE, SIZE)?, &content)
}

fn play(guest: &mut Guest) -> Result<()> {
    guest.wait_for_shell()?;
    let said = guest.check(&format!("probe info {NODE}"))?;
    ensure!(said.contains(" flags=0x0 "), "{said}");
    let dump = format!("probe transfer dump {NODE} /dev/vda --length {SIZE}");
    let strict = guest.check(&format!("{dump} --flags 1"))?;
    ensure!(strict.trim() == "ENXIO", "{strict}");
    let said = guest.check(&dump)?;
    ensure!(
        said.contains(&format!("moved={SIZE} direct=0 copied={SIZE} ")),
        "{said}"
    );
    guest.check(&format!(
        "dd if={NODE} of=/dev/vda bs=64k seek=16 conv=fsync 2>/dev/null"
    ))?;
    guest.check_health(TAINT_OUT_OF_TREE)
}
