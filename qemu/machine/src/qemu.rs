// SPDX-License-Identifier: MIT
//! A virtual machine: its command line, and how to start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::attachment::Attachment;
use crate::detectors::Detectors;
use crate::disk::Disk;
use crate::emulator::Emulator;
use crate::guest::Guest;
use crate::monitor::Monitor;
use board::Board;
use board::Image;
use board::devicetree::{Nodes, Region};

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
    /// What they are to the guest.
    pub attachment: Attachment,
    /// Serial numbers of virtio disks, as the guest sees them; disks behind the last of these have none.
    pub serials: Vec<String>,
    /// Files that are in memory, at a physical address, before the processor starts: QEMU's loader
    /// plays the hardware that filled a region.
    pub loads: Vec<(PathBuf, u64)>,
    /// Files that are in a region, by its label, when the shell is there, where the kernel chooses the
    /// region's place: on disks behind the others.
    pub(crate) fills: Vec<(PathBuf, String)>,
    /// More of the kernel command line.
    pub append: String,
    /// Whether the guest has the tests' own tools (`probe`).
    pub tools: bool,
    /// The folder that a TFTP server has, on a network of the machine's own: the server is the host, 10.0.2.2.
    pub network: Option<PathBuf>,
    /// Whether it has a device that can read and write memory: QEMU's `edu`.
    pub dma_device: bool,
    /// Whether a reset starts it again; else it ends.
    pub resets: bool,
    /// Whether QEMU may join neighbouring requests of the guest to one, which then fails as a whole.
    pub joins_requests: bool,
    /// Whether its disks' driver uses the kernel's DMA interface, as one of real hardware does.
    pub maps_dma: bool,
    /// Whether faults can be put into its disks while it runs: [`Guest::monitor`].
    pub monitor: bool,
    /// Whether the host can write its memory while it runs: [`Self::memory_file`].
    pub shared_memory: bool,
    /// Whether QEMU can write down what the processor executes, in `<folder>/trace`: [`Guest::monitor`].
    pub traced: bool,
    /// Whether it executes nothing until [`Guest::monitor`] lets it.
    pub paused: bool,
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
            attachment: Attachment::Virtio,
            serials: Vec::new(),
            loads: Vec::new(),
            fills: Vec::new(),
            append: String::new(),
            tools: false,
            network: None,
            dma_device: false,
            resets: false,
            joins_requests: true,
            maps_dma: false,
            monitor: false,
            shared_memory: false,
            traced: false,
            paused: false,
            icount: false,
        }
    }

    /// Arguments that shape the machine and its device tree.
    pub(crate) fn shape(&self) -> Result<Vec<String>> {
        let qemu = self.board.qemu()?;
        let memory = self.memory_mib.unwrap_or(qemu.memory_mib);
        let mut arguments: Vec<String> = [
            "-cpu",
            &qemu.cpu,
            "-m",
            &memory.to_string(),
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
        Ok(arguments)
    }

    /// The machine's memory, from its first byte on, if it is shared.
    pub fn memory_file(&self) -> PathBuf {
        self.folder.join("memory")
    }

    /// The same, for the host to read and write while the machine runs: what a device does by DMA.
    pub fn open_memory(&self) -> Result<fs::File> {
        let file = self.memory_file();
        let memory = fs::File::options().read(true).write(true).open(&file);
        memory.with_context(|| format!("cannot open the guest's memory, {}", file.display()))
    }

    /// Arguments that say what the machine is and where its memory lies.
    fn machine_arguments(&self) -> Result<Vec<String>> {
        let qemu = self.board.qemu()?;
        let mut machine = qemu.machine.clone();
        let mut arguments = Vec::new();
        if self.shared_memory {
            machine += ",memory-backend=ram";
            arguments.push("-object".to_owned());
            arguments.push(format!(
                "memory-backend-file,id=ram,size={}M,share=on,mem-path={}",
                self.memory_mib.unwrap_or(qemu.memory_mib),
                self.memory_file().display()
            ));
        }
        arguments.extend(["-machine".to_owned(), machine]);
        Ok(arguments)
    }

    /// Arguments that put disks and files into the machine.
    fn devices(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let virtio = format!(
            ",request-merging={}{}",
            if self.joins_requests { "on" } else { "off" },
            // Of the machine's modern half alone.
            match self.maps_dma {
                true => ",iommu_platform=on,disable-legacy=on",
                false => "",
            }
        );
        let disks = self.disks.iter().map(|disk| (&disk.path, &*disk.options));
        let fills = self.fills.iter().map(|(file, _)| (file, ",readonly=on"));
        for (index, (path, options)) in disks.chain(fills).enumerate() {
            arguments.push("-drive".to_owned());
            arguments.push(format!(
                "if=none,id=disk{index},node-name=node{index},format=raw,file={}{options}",
                path.display()
            ));
            let virtio = match self.serials.get(index) {
                Some(serial) => format!("{virtio},serial={serial}"),
                None => virtio.clone(),
            };
            for device in self.attachment.devices(index, &virtio) {
                arguments.extend(["-device".to_owned(), device]);
            }
        }
        for (file, offset) in &self.loads {
            let address = self.board.memory_base() + offset;
            arguments.push("-device".to_owned());
            arguments.push(format!(
                "loader,file={},addr={address:#x},force-raw=on",
                file.display()
            ));
        }
        if let Some(folder) = &self.network {
            let user = format!("user,id=network,tftp={}", folder.display());
            let card = "virtio-net-pci,netdev=network,romfile=".to_owned();
            arguments.extend(["-netdev".to_owned(), user, "-device".to_owned(), card]);
        }
        if self.dma_device {
            let device = ["-device", "edu,dma_mask=0xffffffff"];
            arguments.extend(device.map(str::to_owned));
        }
        if let Some(words) = &self.firmware {
            arguments.extend(["-prom-env".to_owned(), format!("boot-command={words} boot")]);
        }
        if !self.resets {
            arguments.push("-no-reboot".to_owned());
        }
        if self.paused {
            arguments.push("-S".to_owned());
        }
        if self.traced {
            arguments.push("-D".to_owned());
            arguments.push(self.folder.join("trace").display().to_string());
        }
        if self.icount {
            arguments.push("-icount".to_owned());
            // Where nothing is to be done time leaps to what comes next. The drivers of other disks give a request up
            // after some seconds of it: there the host's time passes.
            let sleep = match self.attachment {
                Attachment::Virtio => "off",
                _ => "on",
            };
            arguments.push(format!("shift=0,sleep={sleep}"));
        }
        arguments
    }

    /// Arguments that say what is started.
    fn boot_arguments(&self) -> Result<Vec<String>> {
        let board = self.board;
        if self.boot == Boot::Loader {
            let loader = board.qemu()?.loader.as_ref();
            let loader = loader.context("board.conf: QEMU_LOADER is missing")?;
            return Ok(vec!["-bios".to_owned(), loader.clone()]);
        }
        let kernel = self.image.file(&board.conf.linux_image);
        let mut append = format!("console={}", board.conf.console);
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
        append += &format!(" {}", self.placement_words()?);
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
        let qemu = self.board.qemu()?;
        let mut command = Command::new(&qemu.program);
        command
            .args(self.machine_arguments()?)
            .args(self.shape()?)
            .args(self.devices())
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
            qemu.power_off,
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
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.folder.join("qemu.stderr"))?);
        let (emulator, console) = Emulator::start(command, self.folder)?;
        Ok(Guest::new(
            Box::new(emulator),
            console,
            monitor,
            &self.board.qemu()?.power_off,
            self.preparation(),
            Detectors::of(self.image)?,
        ))
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
