// SPDX-License-Identifier: MIT
//! Each kind of reader of docs/how-to/port-a-board.md ends with a board on which `resdump doctor` finds nothing wrong.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use board::devicetree::Nodes;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case};
use crate::region::node_at_root::excerpt;

/// What the reader with a kernel of their own reads.
const OWN_KERNEL: &str = "docs/how-to/own-kernel.md";
/// Its part for the board.
const TRY: &str = "## 4. Try it";

pub fn cases() -> Vec<Case> {
    let own = case!(alone, a_kernel_and_a_device_tree_of_ones_own);
    let own = own.needs(Need::DeviceNode).needs(Need::WideAddresses);
    vec![
        case!(Disk, a_board_that_starts_from_the_disk_image, |bed| {
            green(&mut bed.guest, "resdump doctor capture --target /data")
        }),
        own.needs(Need::MemoryAtZero),
        case!(ReserveMem, a_device_tree_that_cannot_be_changed, |bed| {
            bed.mounted(|bed| green(&mut bed.guest, "resdump doctor keep --target /mnt"))
        }),
    ]
}

/// Nothing that a dump needs is wrong, and the module's engine is taken.
fn green(guest: &mut Guest, doctor: &str) -> Result<()> {
    let said = guest.check(&format!("{doctor} 2>&1"))?;
    let wrong: Vec<&str> = said.lines().filter(|line| line.starts_with("NO")).collect();
    ensure!(wrong.is_empty(), "{}\nof\n{said}", wrong.join("\n"));
    ensure!(said.contains("\nauto takes: kernel"), "{said}");
    Ok(())
}

/// With the nodes and the commands that the guide shows, word for word.
fn a_kernel_and_a_device_tree_of_ones_own() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "own-kernel"))?;
    let guide = fs::read_to_string(paths.root.join(OWN_KERNEL))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(Nodes {
        memory: excerpt(&guide, "capture: ", "\n")?,
        drivers: String::new(),
        root: excerpt(&guide, "resmem {", "};")?,
    });
    machine.disks = vec![Disk::ext4_with(&folder.join("data.img"), 256 << 20, &[])?];
    let mut guest = machine.start()?;
    let commands = commands(&guide)?;
    if let Err(error) = guest
        .wait_for_shell()
        .and_then(|_| follow(&mut guest, &commands))
    {
        bail!("{error:#}\n{}", guest.report());
    }
    ensure!(guest.power_off()?.success(), "QEMU failed");
    Ok(())
}

/// What the reader types on the board.
fn commands(guide: &str) -> Result<Vec<&str>> {
    let (_, part) = guide.split_once(TRY).context(TRY)?;
    let commands: Vec<&str> = part
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    ensure!(commands.len() >= 4, "{commands:?}");
    Ok(commands)
}

fn follow(guest: &mut Guest, commands: &[&str]) -> Result<()> {
    // The reader has copied the module there, and the image has not loaded it.
    guest.check("mkdir -p /data && mount -t ext4 /dev/vda /data")?;
    guest.check("cp $(find /lib/modules -name resmem.ko) /data && rmmod resmem")?;
    for command in commands {
        let there = format!("(cd /data && {command})");
        match *command {
            "resdump doctor" => green(guest, &there)?,
            _ => drop(guest.check(&there)?),
        }
    }
    guest.check("grep '\"verified\": *true' /data/capture.raw.json")?;
    guest.check("cmp /data/capture.raw /dev/resmem/capture && umount /data")?;
    guest.check_health(TAINT_OUT_OF_TREE)
}
