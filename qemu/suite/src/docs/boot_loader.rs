// SPDX-License-Identifier: MIT
//! What the boot loader can do to a kernel, a device tree and a region: each mistake made at its prompt.

use anyhow::{Context, Result, ensure};

use board::Need;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use super::troubleshooting::judge;
use crate::frame::{Case, case};
use crate::image::netboot::{self, at_the_prompt};

/// Places that the guide chooses, as its lines have them.
const TREE: &str = "1f00000";
const FILE_SYSTEM: &str = "3000000";
/// The board's region.
const REGION: &str = "/reserved-memory/capture@10000000";
/// What the kernel says first.
const KERNEL: &str = "Linux version";
/// Seconds in which a kernel that starts has said it.
const SILENCE: u64 = 10;

pub fn cases() -> Vec<Case> {
    let cases = [
        case!(alone, a_file_system_without_a_header),
        case!(alone, a_tree_that_the_kernel_is_unpacked_over),
        case!(alone, a_tree_without_room),
        case!(alone, a_tree_that_is_kept_where_the_kernel_cannot_reach_it),
        case!(alone, a_kernel_without_a_tree),
        case!(alone, cells_that_are_not_the_roots),
        case!(alone, a_file_system_in_the_region),
        case!(alone, a_region_beyond_the_memory_of_the_kernel),
        case!(alone, a_region_that_is_not_to_be_mapped),
    ];
    cases
        .map(|case| case.needs(Need::BootLoader).needs(Need::DiskImage))
        .into()
}

/// What is typed and said in one machine.
struct Mistake<'a> {
    /// The test's name.
    name: &'a str,
    /// Changes a line of the guide.
    line: fn(&str) -> String,
    /// Typed before the last line.
    more: &'a [&'a str],
}

impl Mistake<'_> {
    /// Makes it; `end` waits for what comes of it, and what that is has to be in the table's rows of the test.
    fn make(self, end: impl FnOnce(&mut Guest) -> Result<String>) -> Result<()> {
        let folder = netboot::scratch()?;
        let raw = Disk::empty(&folder.path().join("raw.img"), 64 << 20)?;
        at_the_prompt(
            &format!("loader-{}", self.name),
            "appliance",
            &[raw],
            |guest, _| {
                let lines = netboot::lines()?;
                let (last, first) = lines.split_last().context("no lines")?;
                let more = self.more.iter().map(|line| (*line).to_owned());
                for line in first.iter().map(|line| (self.line)(line)).chain(more) {
                    guest.boot_loader(&line)?;
                }
                guest.leave_boot_loader(&(self.line)(last))?;
                let said = end(guest)?;
                judge(&format!("docs::boot_loader::{}", self.name), &said)
            },
        )
    }
}

/// Up to and with a message of the boot loader.
fn stops_at(guest: &mut Guest, message: &str) -> Result<String> {
    Ok(guest.wait_for(message, 60)? + message)
}

/// Nothing comes after the boot loader's last line, which begins so.
fn stays_silent(guest: &mut Guest, last: &str) -> Result<String> {
    let mut said = stops_at(guest, last)?;
    said += &guest.wait_for("\n", 10)?;
    ensure!(
        guest.wait_for(KERNEL, SILENCE).is_err(),
        "the kernel starts all the same"
    );
    Ok(said)
}

/// The system comes up; what it says then.
fn comes_up(guest: &mut Guest, commands: &[&str]) -> Result<String> {
    let mut said = guest.wait_for("/init as init process", 120)?;
    guest.wait_for_shell()?;
    for command in commands {
        said += &guest.run(&format!("({command}) 2>&1"))?.text;
        said.push('\n');
    }
    guest.check_health(TAINT_OUT_OF_TREE)?;
    Ok(said)
}

const AS_IT_IS: fn(&str) -> String = str::to_owned;

fn a_file_system_without_a_header() -> Result<()> {
    let mistake = Mistake {
        name: "a_file_system_without_a_header",
        line: |line| line.replace("uInitrd", "rootfs.cpio"),
        more: &[],
    };
    mistake.make(|guest| stops_at(guest, "Ramdisk image is corrupt or invalid"))
}

fn a_tree_that_the_kernel_is_unpacked_over() -> Result<()> {
    let mistake = Mistake {
        name: "a_tree_that_the_kernel_is_unpacked_over",
        line: |line| line.replace(TREE, "600000"),
        more: &[],
    };
    mistake.make(|guest| stops_at(guest, "must RESET the board to recover."))
}

fn a_tree_without_room() -> Result<()> {
    at_the_prompt("loader-room", "appliance", &[], |guest, _| {
        let lines = netboot::lines()?;
        let (last, first) = lines.split_last().context("no lines")?;
        ensure!(last.starts_with("bootm "), "{last}");
        for line in first {
            guest.boot_loader(line)?;
        }
        guest.boot_loader(&format!("fdt addr {TREE}"))?;
        let node = |name: &str| format!("fdt mknode /reserved-memory {name}@18000000");
        // It may have room for a few.
        let mut names = ('a'..='z').map(|letter| node(&letter.to_string().repeat(31)));
        let refused = names.find_map(|line| guest.boot_loader(&line).err());
        let said = format!("{:#}", refused.context("the tree has room for all")?);
        guest.boot_loader("fdt resize 4096")?;
        guest.boot_loader(&node("more"))?;
        judge("docs::boot_loader::a_tree_without_room", &said)
    })
}

fn a_tree_that_is_kept_where_the_kernel_cannot_reach_it() -> Result<()> {
    let mistake = Mistake {
        name: "a_tree_that_is_kept_where_the_kernel_cannot_reach_it",
        line: |line| line.replace(TREE, "1c000000"),
        more: &["setenv fdt_high ffffffff"],
    };
    mistake.make(|guest| stays_silent(guest, "Using Device Tree in place at"))
}

fn a_kernel_without_a_tree() -> Result<()> {
    let mistake = Mistake {
        name: "a_kernel_without_a_tree",
        line: |line| match line.strip_suffix(TREE) {
            Some(start) if line.starts_with("bootm") => start.to_owned(),
            _ => line.to_owned(),
        },
        more: &[],
    };
    mistake.make(|guest| stays_silent(guest, "Loading Ramdisk to"))
}

fn cells_that_are_not_the_roots() -> Result<()> {
    let mistake = Mistake {
        name: "cells_that_are_not_the_roots",
        line: AS_IT_IS,
        more: &[
            "fdt addr 1f00000",
            "fdt set /reserved-memory '#address-cells' <1>",
        ],
    };
    mistake.make(|guest| comes_up(guest, &["dmesg", "resdump doctor"]))
}

fn a_file_system_in_the_region() -> Result<()> {
    let mistake = Mistake {
        name: "a_file_system_in_the_region",
        line: |line| line.replace(FILE_SYSTEM, "10000000"),
        more: &["setenv initrd_high ffffffff"],
    };
    mistake.make(|guest| comes_up(guest, &["dmesg", "resdump doctor"]))
}

fn a_region_beyond_the_memory_of_the_kernel() -> Result<()> {
    let mistake = Mistake {
        name: "a_region_beyond_the_memory_of_the_kernel",
        line: AS_IT_IS,
        more: &["fdt addr 1f00000", "fdt memory 0 10000000"],
    };
    let commands = [
        "dmesg",
        "resdump doctor --target /dev/vda",
        "resdump dump capture /dev/vda --force --strict",
    ];
    mistake.make(|guest| comes_up(guest, &commands))
}

fn a_region_that_is_not_to_be_mapped() -> Result<()> {
    let more = format!("fdt set {REGION} no-map");
    let mistake = Mistake {
        name: "a_region_that_is_not_to_be_mapped",
        line: AS_IT_IS,
        more: &["fdt addr 1f00000", "fdt resize 4096", &more],
    };
    let commands = ["dmesg", "resdump doctor --target /dev/vda"];
    mistake.make(|guest| comes_up(guest, &commands))
}
