// SPDX-License-Identifier: MIT
//! A virtual machine: its command line, and how to start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::console::Console;
use crate::disk::Disk;
use crate::guest::Guest;
use crate::instruments::Instruments;
use crate::monitor::Monitor;
use board::Image;
use board::devicetree::{self, Cells, Nodes, Region};
use board::firmware;
use board::{Board, TreeSource};
use host::step::output_of;

/// How a machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// QEMU puts the kernel, its command line and the root file system into memory.
    Memory,
    /// QEMU puts the kernel and its command line into memory; the root is on the first disk.
    Disk,
    /// The board's boot loader finds all of it on the first disk.
    Loader,
}

/// What a machine is made of. Files of a run go to `folder`.
pub struct Machine<'a> {
    /// The board that QEMU plays.
    pub board: &'a Board,
    /// What it boots.
    pub image: &'a Image,
    /// Where the device tree, the console log and the command line go.
    pub folder: &'a Path,
    /// How it starts.
    pub boot: Boot,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB; `None` is the board's default.
    pub memory_mib: Option<u64>,
    /// Regions instead of the board's own. Addresses count from the beginning of the machine's memory,
    /// here and in `loads`, so that what is said of one machine fits another.
    pub regions: Option<Vec<Region>>,
    /// Nodes instead of regions, for what those cannot say.
    pub nodes: Option<Nodes>,
    /// Words of Forth that Open Firmware evaluates before it starts the kernel: nodes of its device tree.
    pub firmware: Option<String>,
    /// Disks, `/dev/vda` first.
    pub disks: Vec<Disk>,
    /// Files that are in memory, at a physical address, before the processor starts: QEMU's loader
    /// plays the hardware that filled a region.
    pub loads: Vec<(PathBuf, u64)>,
    /// Files that are in a region, by its label, when the shell is there, where the kernel chooses the
    /// region's place: on disks behind the others.
    fills: Vec<(PathBuf, String)>,
    /// More of the kernel command line.
    pub append: String,
    /// Whether the guest has the tests' own tools (`probe`).
    pub tools: bool,
    /// Whether a reset starts it again; else it ends.
    pub resets: bool,
    /// Whether QEMU may join neighbouring requests of the guest to one, which then fails as a whole.
    pub joins_requests: bool,
    /// Whether its disks' driver uses the kernel's DMA interface, as one of real hardware does.
    pub maps_dma: bool,
    /// Whether faults can be put into its disks while it runs: [`Guest::monitor`].
    pub monitor: bool,
    /// Whether QEMU can write down what the processor executes, in `<folder>/trace`: [`Guest::monitor`].
    pub traced: bool,
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
            boot: Boot::Memory,
            cpus: 1,
            memory_mib: None,
            regions: None,
            nodes: None,
            firmware: None,
            disks: Vec::new(),
            loads: Vec::new(),
            fills: Vec::new(),
            append: String::new(),
            tools: false,
            resets: false,
            joins_requests: true,
            maps_dma: false,
            monitor: false,
            traced: false,
            icount: false,
        }
    }

    /// Writes the machine's device tree and returns its path: what QEMU generates for exactly these
    /// arguments, or what it would read, with the regions in it.
    pub fn device_tree(&self) -> Result<PathBuf> {
        let base = self.folder.join("qemu.dtb");
        let tree = match self.board.tree_source()? {
            TreeSource::Generated => {
                self.generate_tree(&base)?;
                self.folder.join("machine.dtb")
            }
            TreeSource::File(name) => {
                fs::copy(self.qemu_data(&name)?, &base)?;
                self.folder.join(name)
            }
            TreeSource::Firmware => bail!(
                "board {}: the firmware makes the device tree, nothing can be added to it",
                self.board.name
            ),
        };
        let cells = Cells::of_root(&base)?;
        let source = match (&self.nodes, &self.regions) {
            (Some(nodes), _) => Some(nodes.overlay(cells)),
            (None, Some(regions)) => {
                let mut regions = regions.clone();
                for region in &mut regions {
                    region.base += self.board.memory_base()?;
                }
                Some(devicetree::overlay(&regions, cells))
            }
            (None, None) => None,
        };
        let overlay = match source {
            None => self.image.file("resmem.dtbo"),
            Some(source) => {
                let overlay = self.folder.join("regions.dtbo");
                devicetree::compile(&source, &overlay)?;
                overlay
            }
        };
        devicetree::apply(&base, &overlay, &tree)?;
        Ok(tree)
    }

    /// Where the board's own region is, from the beginning of the memory on, if that is known before it
    /// runs, and its size.
    pub fn own_region(&self, label: &str) -> Result<(Option<u64>, u64)> {
        if self.board.tree_source()? != TreeSource::Firmware {
            let (base, size) = devicetree::reserved_region(&self.device_tree()?, label)?;
            let base = base.checked_sub(self.board.memory_base()?);
            return Ok((Some(base.context("a region below the memory")?), size));
        }
        let line = self.board.get("CMDLINE")?;
        let size = firmware::reserved_size(line, label)
            .with_context(|| format!("CMDLINE reserves no MiB for {label}: {line}"))?;
        Ok((None, size))
    }

    /// Makes a region hold a file's bytes when the shell is there. The machine's own regions, if any,
    /// have been set.
    pub fn fill(&mut self, label: &str, file: &Path) -> Result<()> {
        let base = match (&self.regions, self.board.tree_source()?) {
            (_, TreeSource::Firmware) => None,
            (None, _) => self.own_region(label)?.0,
            (Some(regions), _) => {
                let region = regions.iter().find(|one| one.driver_label() == label);
                Some(region.with_context(|| format!("no region {label}"))?.base)
            }
        };
        match base {
            Some(base) => self.loads.push((file.to_path_buf(), base)),
            None => self.fills.push((file.to_path_buf(), label.to_owned())),
        }
        Ok(())
    }

    /// What is typed when the shell is there.
    fn preparation(&self) -> Vec<String> {
        let names = ('a'..='z').skip(self.disks.len());
        let fills: Vec<_> = self
            .fills
            .iter()
            .zip(names)
            .map(|((_, label), name)| (label.clone(), format!("/dev/vd{name}")))
            .collect();
        firmware::filling(&fills)
    }

    fn generate_tree(&self, target: &Path) -> Result<()> {
        let mut dump = Command::new(self.board.get("QEMU")?);
        let machine = self.board.get("QEMU_MACHINE")?;
        dump.args([
            "-machine",
            &format!("{machine},dumpdtb={}", target.display()),
        ])
        .args(self.arguments()?)
        .args(["-display", "none", "-serial", "null", "-monitor", "none"]);
        output_of(&mut dump).context("QEMU did not write its device tree")?;
        Ok(())
    }

    /// A file of QEMU's own data folders.
    fn qemu_data(&self, name: &str) -> Result<PathBuf> {
        let folders = output_of(Command::new(self.board.get("QEMU")?).args(["-L", "help"]))?;
        let mut files = folders.lines().map(|folder| Path::new(folder).join(name));
        files
            .find(|file| file.is_file())
            .with_context(|| format!("QEMU's data folders hold no {name}: {folders}"))
    }

    /// Arguments that make the machine use its device tree.
    fn tree_arguments(&self) -> Result<Vec<String>> {
        if self.boot == Boot::Loader {
            return Ok(Vec::new());
        }
        let source = self.board.tree_source()?;
        if source == TreeSource::Firmware {
            ensure!(
                self.loads.is_empty() || self.firmware.is_some(),
                "board {}: a region's place is not known before the kernel runs",
                self.board.name
            );
            return Ok(Vec::new());
        }
        let tree = self.device_tree()?.display().to_string();
        Ok(match source {
            // The folder in which QEMU looks first.
            TreeSource::File(_) => vec!["-L".to_owned(), self.folder.display().to_string()],
            _ => vec!["-dtb".to_owned(), tree],
        })
    }

    /// Arguments that shape the machine and its device tree, the machine type excepted.
    fn arguments(&self) -> Result<Vec<String>> {
        let board = self.board;
        let memory = match self.memory_mib {
            Some(memory) => memory.to_string(),
            None => board.get("QEMU_MEMORY_MIB")?.to_owned(),
        };
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
            // Likewise that of a graphics card.
            "-vga",
            "none",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(self.boot_arguments()?);
        let disks = self.disks.iter().map(|disk| (&disk.path, &*disk.options));
        let fills = self.fills.iter().map(|(file, _)| (file, ",readonly=on"));
        for (index, (path, options)) in disks.chain(fills).enumerate() {
            arguments.push("-drive".to_owned());
            arguments.push(format!(
                "if=none,id=disk{index},node-name=node{index},format=raw,file={}{options}",
                path.display()
            ));
            arguments.push("-device".to_owned());
            arguments.push(format!(
                "virtio-blk-pci,drive=disk{index},id=vd{index},request-merging={}{}",
                if self.joins_requests { "on" } else { "off" },
                // Of the machine's modern half alone.
                match self.maps_dma {
                    true => ",iommu_platform=on,disable-legacy=on",
                    false => "",
                }
            ));
        }
        for (file, offset) in &self.loads {
            let address = self.board.memory_base()? + offset;
            arguments.push("-device".to_owned());
            arguments.push(format!(
                "loader,file={},addr={address:#x},force-raw=on",
                file.display()
            ));
        }
        if let Some(words) = &self.firmware {
            arguments.extend(["-prom-env".to_owned(), format!("boot-command={words} boot")]);
        }
        if !self.resets {
            arguments.push("-no-reboot".to_owned());
        }
        if self.traced {
            arguments.push("-D".to_owned());
            arguments.push(self.folder.join("trace").display().to_string());
        }
        if self.icount {
            arguments.push("-icount".to_owned());
            arguments.push("shift=0,sleep=off".to_owned());
        }
        Ok(arguments)
    }

    /// Arguments that say what is started.
    fn boot_arguments(&self) -> Result<Vec<String>> {
        let board = self.board;
        if self.boot == Boot::Loader {
            return Ok(["-bios", board.get("QEMU_LOADER")?]
                .map(str::to_owned)
                .into());
        }
        let kernel = self.image.file(board.get("LINUX_IMAGE")?);
        let mut append = format!("console={}", board.get("CONSOLE")?);
        let mut arguments = ["-kernel", &kernel.display().to_string()]
            .map(str::to_owned)
            .to_vec();
        if self.boot == Boot::Disk {
            let disk = self.disks.first().context("a root needs a disk")?;
            append += &format!(" root=PARTUUID={}-02 ro rootwait", disk.signature()?);
        } else {
            let initrd = self.initrd()?.display().to_string();
            arguments.extend(["-initrd".to_owned(), initrd]);
        }
        match &self.regions {
            None => append += &format!(" {}", board.find("CMDLINE").unwrap_or_default()),
            Some(regions) if board.tree_source()? == TreeSource::Firmware => {
                append += &format!(" {}", firmware::command_line(regions)?);
            }
            Some(_) => {}
        }
        append += &format!(" {}", self.append);
        arguments.extend(["-append".to_owned(), append.trim_end().to_owned()]);
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
        let mut command = Command::new(self.board.get("QEMU")?);
        command
            .args(["-machine", self.board.get("QEMU_MACHINE")?])
            .args(self.arguments()?)
            .args(self.tree_arguments()?)
            .args(["-display", "none", "-monitor", "none"])
            // Ctrl-C is for the guest.
            .args(["-chardev", "stdio,id=console,signal=off"])
            .args(["-serial", "chardev:console"]);
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| quote(&word.to_string_lossy()))
            .collect();
        let script = format!(
            "#!/bin/sh\n# Ends with `{}` in the guest.\nexec {}\n",
            self.board.get("POWER_OFF")?,
            words.join(" ")
        );
        fs::write(self.folder.join("qemu.sh"), script)?;
        Ok(command)
    }

    /// Starts the machine and takes its console.
    pub fn start(&self) -> Result<Guest> {
        let mut command = self.command()?;
        let socket = self.folder.join("qmp");
        let monitor = match self.monitor {
            true => {
                command.args(Monitor::arguments(&socket));
                Some(Monitor::new(&socket)?)
            }
            false => None,
        };
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
        Guest::new(
            child,
            console,
            monitor,
            self.folder,
            self.board.get("POWER_OFF")?,
            self.preparation(),
            Instruments::of(self.image)?,
        )
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
