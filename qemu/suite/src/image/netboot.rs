// SPDX-License-Identifier: MIT
//! A system that comes over the network, and a dump that leaves by it: the commands of docs/how-to/image.md.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use host::command::output_of;
use host::deadline::{self, Handle};
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;
use machine::{Boot, Machine};

use crate::frame::{self, Case, MEDIUM, case, same};

const GUIDE: &str = "docs/how-to/image.md";
/// What a reader asks a vendor's system first.
const PORTING: &str = "docs/how-to/port-a-board.md";
const ASKED: &str = "## What you have says where to begin";
/// The server in the guide, and QEMU's.
const SERVER: [&str; 2] = ["192.168.0.2", "10.0.2.2"];
/// The chapters with the commands.
const NETWORK: &str = "### From the network";
const STICK: &str = "### From a USB stick";

pub fn cases() -> Vec<Case> {
    let over = case!(alone, kernel_tree_and_file_system_come_over_the_network);
    vec![
        over.needs(Need::BootLoader).needs(Need::DiskImage),
        case!(alone, a_stick_is_a_disk_that_the_boot_loader_calls_usb)
            .needs(Need::BootLoader)
            .needs(Need::DiskImage),
    ]
}

/// The lines of a chapter's block that begins with `first`.
fn block(chapter: &str, first: &str) -> Result<Vec<String>> {
    block_of(GUIDE, chapter, first)
}

fn block_of(guide: &str, chapter: &str, first: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(Paths::discover()?.root.join(guide))?;
    let (_, text) = text.split_once(chapter).context(chapter.to_owned())?;
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or_default())
        .skip_while(|line| !line.starts_with(first))
        .take_while(|line| !line.is_empty())
        .map(|line| line.replace(SERVER[0], SERVER[1]))
        .collect();
    ensure!(
        !lines.is_empty(),
        "{guide}: {chapter}: nothing like {first}"
    );
    Ok(lines)
}

/// The lines for U-Boot that load and start a system, as the guide has them; the last line starts the system.
pub fn lines() -> Result<Vec<String>> {
    block(NETWORK, "setenv")
}

/// Stops the boot loader of a machine whose network has the kernel of a flavour, the device tree with the board's
/// regions, and the file system, and calls `work` with what the host put into the region. The machine is ended.
pub fn at_the_prompt(
    name: &str,
    flavour: &str,
    disks: &[Disk],
    work: impl FnOnce(&mut Guest, &[u8]) -> Result<()>,
) -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, flavour)?;
    let folder = paths.fresh_out(&frame::below(&board, name))?;
    let served = folder.join("tftp");
    fs::create_dir(&served)?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.boot = Boot::Loader;
    machine.network = Some(served.clone());
    machine.disks = disks.to_vec();
    let content = folder.join("capture.bin");
    fill_with_random(&content, machine.own_region("capture")?.1)?;
    machine.fill("capture", &content)?;
    fs::copy(machine.device_tree()?, served.join("regions.dtb"))?;
    for name in ["uImage", "rootfs.cpio"] {
        fs::copy(image.file(name), served.join(name))?;
    }
    for line in block(NETWORK, "mkimage")? {
        output_of(Command::new("sh").args(["-ec", &line]).current_dir(&served))?;
    }
    let content = fs::read(content)?;
    let mut guest = machine.start()?;
    let done = guest.stop_boot_loader();
    if let Err(error) = done.and_then(|()| work(&mut guest, &content)) {
        bail!("{error:#}\n{}", guest.report());
    }
    guest.kill()?;
    fs::remove_dir_all(served)?;
    Ok(())
}

/// Types lines at the prompt of the boot loader, the last of which starts the system, and waits for its shell.
pub fn start(guest: &mut Guest, lines: &[String]) -> Result<()> {
    let (last, first) = lines.split_last().context("no lines")?;
    for line in first {
        guest.boot_loader(line)?;
    }
    guest.leave_boot_loader(last)?;
    guest.wait_for_shell().map(drop)
}

/// A folder for disks, gone with the test.
pub fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(Paths::discover()?.out)?)
}

fn kernel_tree_and_file_system_come_over_the_network() -> Result<()> {
    let folder = scratch()?;
    let raw = Disk::empty(&folder.path().join("raw.img"), 128 << 20)?;
    at_the_prompt(
        "netboot",
        "appliance",
        std::slice::from_ref(&raw),
        |guest, content| {
            let mut asked = String::new();
            for line in block_of(PORTING, ASKED, "version")? {
                asked += &guest.boot_loader(&line)?;
            }
            for said in ["U-Boot ", "DRAM bank", "relocaddr ", "#address-cells = <0x"] {
                ensure!(asked.contains(said), "no {said:?} in {asked}");
            }
            start(guest, &lines()?)?;
            let asked = block_of(PORTING, ASKED, "cat /sys/firmware/fdt")?;
            let ram = guest.check(&asked.join(" && "))?;
            ensure!(
                ram.contains("console=ttyS0") && ram.contains("System RAM"),
                "{ram}"
            );
            guest.check("hexdump -C -n 4 /tmp/vendor.dtb | grep 'd0 0d fe ed'")?;
            let said = guest.check("resdump doctor capture --target /dev/vda 2>&1")?;
            ensure!(!said.lines().any(|line| line.starts_with("NO")), "{said}");
            guest.check("resdump dump capture /dev/vda --force --verify")?;
            // Loading the system has left the region alone.
            same(&raw.read(0, content.len() as u64)?, content)?;
            guest.check_health(TAINT_OUT_OF_TREE)
        },
    )
}

fn a_stick_is_a_disk_that_the_boot_loader_calls_usb() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = scratch()?;
    let stick = folder.path().join("stick.img");
    let stick = Disk::image(&stick, &image.file("sdcard.img"), MEDIUM)?;
    at_the_prompt("stick", "appliance", &[stick], |guest, _| {
        let lines = block(STICK, "usb start")?;
        let usb = guest.boot_loader(&lines[0]).err();
        let usb = usb.context("this boot loader has USB: give the machine a stick, not a disk")?;
        ensure!(
            format!("{usb:#}").contains("Unknown command 'usb'"),
            "{usb:#}"
        );
        guest.boot_loader("virtio scan")?;
        let rest = lines[1..].iter().map(|line| line.replace("usb", "virtio"));
        start(guest, &rest.collect::<Vec<_>>())?;
        guest.check("grep -q ' /data ext4 ' /proc/mounts")?;
        guest.check_health(TAINT_OUT_OF_TREE)
    })
}

/// [`super::bring_up`] has it: its kernel has a network.
pub fn a_dump_leaves_over_the_network() -> Result<()> {
    let folder = scratch()?;
    let file = folder.path().join("capture.raw");
    at_the_prompt("delivery", "bringup", &[], |guest, content| {
        let mut lines = lines()?;
        let bootargs = lines
            .iter_mut()
            .find(|line| line.starts_with("setenv bootargs"));
        // The kernel asks for an address itself.
        bootargs.context("no bootargs")?.push_str(" ip=dhcp");
        start(guest, &lines)?;
        deliver(guest, &file)?;
        same(&fs::read(&file)?, content)?;
        guest.check_health(TAINT_OUT_OF_TREE)
    })
}

/// Has the host receive a dump of the region.
fn deliver(guest: &mut Guest, file: &Path) -> Result<()> {
    let mut receiver = Command::new(Paths::discover()?.host_dumper())
        .args(["receive", "tcp:127.0.0.1:0"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    deadline::uses(&Arc::new(Handle::of(&receiver)?));
    let mut said = BufReader::new(receiver.stderr.take().context("no pipe")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let port = line.trim().rsplit(':').next().unwrap_or_default();
    ensure!(port.parse::<u16>().is_ok(), "the receiver says {line:?}");
    let dump = block(NETWORK, "resdump dump")?.concat();
    guest.check(&dump.replace(":5000", &format!(":{port}")))?;
    let status = receiver.wait()?;
    ensure!(status.success(), "the receiver ended with {status}");
    Ok(())
}
