// SPDX-License-Identifier: MIT
//! An argument of another size than the module's, or in memory that cannot be written to.

use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use resmem::abi::{self, RegionExport, RegionInfo, RegionSync, Snapshot, SnapshotStatus, Transfer};
use resmem::ioctl::resized;

use crate::fuzz::calls::{bytes_of, value_of};
use crate::fuzz::commands::number;
use crate::{errno_of, number as parsed, open};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Command {
    Info,
    Dump,
    Load,
    Snapshot,
    Status,
    Sync,
    Export,
}

/// What is in memory that the module has not written to.
const MARK: u8 = 0x5a;

#[derive(Args)]
pub struct Argument {
    command: Command,
    node: PathBuf,
    /// Bytes that the command says; those of the module's own structure if it is not given.
    #[arg(long)]
    size: Option<usize>,
    /// Put something into the last of them.
    #[arg(long)]
    tail: bool,
    /// In memory that can be read only.
    #[arg(long)]
    read_only: bool,
    /// Open the node for writing only.
    #[arg(long)]
    write_only: bool,
    /// Where to dump to, or load from; without it the disk that the variable RAW names.
    #[arg(long)]
    target: Option<PathBuf>,
    #[arg(long, value_parser = parsed, default_value = "0")]
    region_offset: u64,
}

impl Argument {
    /// Its result, and what is in the structure then; `rest=` is what is behind the structure that the
    /// module knows.
    pub fn run(&self) -> Result<String, Errno> {
        let node = match self.write_only {
            true => OpenOptions::new().write(true).open(&self.node),
            false => open(&self.node, self.command == Command::Load).map_err(Into::into),
        }
        .map_err(errno_of)?;
        let load = self.command == Command::Load;
        let raw = || std::env::var_os("RAW").map(PathBuf::from);
        let path = self.target.clone().or_else(raw);
        let target = OpenOptions::new()
            .read(load)
            .write(!load)
            .custom_flags(libc::O_DIRECT)
            .open(path.ok_or(Errno::EDESTADDRREQ)?)
            .map_err(errno_of)?;
        let mut buffer = [MARK; 4096];
        let (number, known) = self.fill(&target, &mut buffer);
        let size = self.size.unwrap_or(known);
        let answer = matches!(self.command, Command::Info | Command::Status);
        if size > known && !answer {
            buffer[known..size].fill(0);
        }
        if self.tail {
            buffer[size - 1] = 1;
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let length = NonZeroUsize::new(buffer.len()).ok_or(Errno::EINVAL)?;
        // SAFETY: A new mapping, where nothing is.
        let memory = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?;
        // SAFETY: The mapping is as long as the buffer, and nothing else knows it.
        unsafe { memory.cast::<[u8; 4096]>().write(buffer) };
        if self.read_only {
            // SAFETY: The mapping is ours, and we do not write to it from here on.
            unsafe { mprotect(memory, buffer.len(), ProtFlags::PROT_READ) }?;
        }
        // SAFETY: The mapping is larger than any structure; the kernel does not write where it may not.
        let ret = unsafe {
            libc::ioctl(
                node.as_raw_fd(),
                resized(number, size) as _,
                memory.as_ptr(),
            )
        };
        // SAFETY: The mapping stays, and nothing writes to it any more.
        let memory = unsafe { memory.cast::<[u8; 4096]>().as_ref() };
        let name = match Errno::result(ret) {
            Ok(_) => "ok".to_owned(),
            Err(errno) => format!("{errno:?}"),
        };
        println!("{name} {}", self.told(memory, known, size));
        std::process::exit(0);
    }

    /// The structure, at the begin of `buffer`; the command's number and the structure's size.
    fn fill(&self, target: &File, buffer: &mut [u8]) -> (u32, usize) {
        let mut put = |bytes: &[u8]| {
            buffer[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        };
        let transfer = Transfer {
            fd: target.as_raw_fd(),
            region_offset: self.region_offset,
            length: 0x1_0000,
            moved: 0x1234,
            direct: 0x1234,
            copied: 0x1234,
            error: 0x1234,
            ..Transfer::default()
        };
        match self.command {
            Command::Info => (number!(r IOC_INFO RegionInfo), size_of::<RegionInfo>()),
            Command::Dump => (number!(rw IOC_DUMP Transfer), put(bytes_of(&transfer))),
            Command::Load => (number!(rw IOC_LOAD Transfer), put(bytes_of(&transfer))),
            Command::Snapshot => (
                number!(w IOC_SNAPSHOT Snapshot),
                put(bytes_of(&Snapshot::default())),
            ),
            Command::Status => (
                number!(r IOC_SNAPSHOT_STATUS SnapshotStatus),
                size_of::<SnapshotStatus>(),
            ),
            Command::Export => (
                number!(rw IOC_EXPORT RegionExport),
                put(bytes_of(&RegionExport::default())),
            ),
            Command::Sync => {
                let sync = RegionSync {
                    length: 4096,
                    direction: abi::SYNC_FOR_CPU,
                    ..RegionSync::default()
                };
                (number!(w IOC_SYNC RegionSync), put(bytes_of(&sync)))
            }
        }
    }

    fn told(&self, memory: &[u8], known: usize, size: usize) -> String {
        let rest = match memory.get(known..size) {
            None | Some([]) => "none",
            Some(rest) if rest.iter().all(|byte| *byte == 0) => "zero",
            Some(rest) if rest.iter().all(|byte| *byte == MARK) => "untouched",
            Some(_) => "other",
        };
        let said = match self.command {
            Command::Dump | Command::Load => {
                let told: Transfer = value_of(memory);
                let (moved, direct, copied) = (told.moved, told.direct, told.copied);
                let error = match told.error {
                    0 => "none".to_owned(),
                    error => format!("{:?}", Errno::from_raw(error as i32)),
                };
                format!("moved={moved:#x} direct={direct:#x} copied={copied:#x} error={error} ")
            }
            Command::Info => {
                let told: RegionInfo = value_of(memory);
                format!("abi={} ", told.abi)
            }
            Command::Status => {
                let told: SnapshotStatus = value_of(memory);
                format!("state={} ", told.state)
            }
            Command::Snapshot | Command::Sync | Command::Export => String::new(),
        };
        format!("{said}rest={rest}")
    }
}
