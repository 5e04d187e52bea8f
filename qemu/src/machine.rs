// SPDX-License-Identifier: MIT
//! A virtual machine: its command line, and how to start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::board::Board;
use crate::console::Console;
use crate::devicetree::{self, Region};
use crate::disk::Disk;
use crate::guest::Guest;
use crate::image::Image;
use crate::step::output_of;

/// What a machine is made of. Files of a run go to `folder`.
pub struct Machine<'a> {
    /// The board that QEMU plays.
    pub board: &'a Board,
    /// What it boots.
    pub image: &'a Image,
    /// Where the device tree, the console log and the command line go.
    pub folder: &'a Path,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB; `None` is the board's default.
    pub memory_mib: Option<u64>,
    /// Regions instead of the board's own.
    pub regions: Option<Vec<Region>>,
    /// Disks, `/dev/vda` first.
    pub disks: Vec<Disk>,
    /// Files that are in memory, at a physical address, before the processor starts: QEMU's loader
    /// plays the hardware that filled a region.
    pub loads: Vec<(PathBuf, u64)>,
    /// More of the kernel command line.
    pub append: String,
    /// Whether the guest has the tests' own tools (`probe`).
    pub tools: bool,
    /// Whether a reset starts it again; else it ends.
    pub resets: bool,
    /// One guest instruction is one nanosecond of guest time, so that CPU time counts instructions.
    pub icount: bool,
}

impl<'a> Machine<'a> {
    /// A machine with one processor, the board's memory and regions, and no disk.
    pub fn new(board: &'a Board, image: &'a Image, folder: &'a Path) -> Self {
        Self {
            board,
            image,
            folder,
            cpus: 1,
            memory_mib: None,
            regions: None,
            disks: Vec::new(),
            loads: Vec::new(),
            append: String::new(),
            tools: false,
            resets: false,
            icount: false,
        }
    }

    /// Writes the machine's device tree and returns its path: what QEMU generates for exactly these
    /// arguments, with the regions in it.
    pub fn device_tree(&self) -> Result<PathBuf> {
        let base = self.folder.join("qemu.dtb");
        let tree = self.folder.join("machine.dtb");
        let mut dump = Command::new(self.board.get("QEMU")?);
        let machine = format!(
            "{},dumpdtb={}",
            self.board.get("QEMU_MACHINE")?,
            base.display()
        );
        dump.args(["-machine", &machine]).args(self.arguments()?);
        dump.args(["-display", "none", "-serial", "null", "-monitor", "none"]);
        output_of(&mut dump).context("QEMU did not write its device tree")?;
        let overlay = match &self.regions {
            None => self.image.file("resmem.dtbo"),
            Some(regions) => {
                let overlay = self.folder.join("regions.dtbo");
                devicetree::compile(&devicetree::overlay(regions), &overlay)?;
                overlay
            }
        };
        devicetree::apply(&base, &overlay, &tree)?;
        Ok(tree)
    }

    /// Arguments that shape the machine and its device tree, the machine type excepted.
    fn arguments(&self) -> Result<Vec<String>> {
        let board = self.board;
        let memory = match self.memory_mib {
            Some(memory) => memory.to_string(),
            None => board.get("QEMU_MEMORY_MIB")?.to_owned(),
        };
        let console = board.get("CONSOLE")?;
        let append = format!("console={console} {}", self.append);
        let path = |name| self.image.file(name).display().to_string();
        let mut arguments: Vec<String> = [
            "-cpu",
            board.get("QEMU_CPU")?,
            "-m",
            &memory,
            "-smp",
            &self.cpus.to_string(),
            // Without this QEMU looks for the boot ROM of a network card.
            "-nic",
            "none",
            "-kernel",
            &path("uImage"),
            "-initrd",
            &self.initrd()?.display().to_string(),
            "-append",
            append.trim_end(),
        ]
        .map(str::to_owned)
        .to_vec();
        for (index, disk) in self.disks.iter().enumerate() {
            arguments.push("-drive".to_owned());
            arguments.push(format!(
                "if=none,id=disk{index},format=raw,file={}{}",
                disk.path.display(),
                disk.options
            ));
            arguments.push("-device".to_owned());
            arguments.push(format!("virtio-blk-pci,drive=disk{index}"));
        }
        for (file, address) in &self.loads {
            arguments.push("-device".to_owned());
            arguments.push(format!(
                "loader,file={},addr={address:#x},force-raw=on",
                file.display()
            ));
        }
        if !self.resets {
            arguments.push("-no-reboot".to_owned());
        }
        if self.icount {
            arguments.push("-icount".to_owned());
            arguments.push("shift=0,sleep=off".to_owned());
        }
        Ok(arguments)
    }

    /// The initial file system; the kernel unpacks concatenated archives one after the other.
    fn initrd(&self) -> Result<PathBuf> {
        let rootfs = self.image.file("rootfs.cpio");
        if !self.tools {
            return Ok(rootfs);
        }
        let both = self.folder.join("initrd.cpio");
        let mut content = fs::read(rootfs)?;
        content.extend(fs::read(self.image.file("tools.cpio"))?);
        fs::write(&both, content)?;
        Ok(both)
    }

    /// The command that starts the machine with its serial line on standard input and output. It
    /// is also left in `<folder>/qemu.sh`, to be run by hand.
    pub fn command(&self) -> Result<Command> {
        let tree = self.device_tree()?;
        let mut command = Command::new(self.board.get("QEMU")?);
        command
            .args(["-machine", self.board.get("QEMU_MACHINE")?])
            .args(self.arguments()?)
            .arg("-dtb")
            .arg(tree)
            .args(["-display", "none", "-monitor", "none"])
            // Ctrl-C is for the guest.
            .args(["-chardev", "stdio,id=console,signal=off"])
            .args(["-serial", "chardev:console"]);
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| quote(&word.to_string_lossy()))
            .collect();
        let script = format!(
            "#!/bin/sh\n# Ends with `poweroff` in the guest.\nexec {}\n",
            words.join(" ")
        );
        fs::write(self.folder.join("qemu.sh"), script)?;
        Ok(command)
    }

    /// Starts the machine and takes its console.
    pub fn start(&self) -> Result<Guest> {
        let mut command = self.command()?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.folder.join("qemu.stderr"))?)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let console = Console::new(input, output, &self.folder.join("console.log"))?;
        Ok(Guest::new(child, console, self.folder))
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quote("-nic"), "-nic");
        assert_eq!(quote("console=ttyS0 quiet"), "'console=ttyS0 quiet'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
