// SPDX-License-Identifier: MIT
//! The dump and load commands with arguments that no sane caller would give.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{errno_of, number, open};

#[derive(Clone, Copy, ValueEnum)]
enum Direction {
    Dump,
    Load,
}

#[derive(Args)]
pub struct Transfer {
    direction: Direction,
    node: PathBuf,
    /// The other end: a path, or `pipe`, or `fd:N` for a descriptor that is taken as it is.
    target: String,
    /// How to open the path: any of r, w, c(reate), d(irect), a(ppend).
    #[arg(long, default_value = "wd")]
    mode: String,
    /// Open the node for writing as well.
    #[arg(long)]
    node_write: bool,
    #[arg(long, value_parser = number, default_value = "0")]
    region_offset: u64,
    #[arg(long, value_parser = number, default_value = "0x10000")]
    length: u64,
    #[arg(long, value_parser = number, default_value = "0")]
    file_offset: u64,
    #[arg(long, value_parser = number, default_value = "0")]
    chunk: u64,
    #[arg(long, value_parser = number, default_value = "0")]
    depth: u64,
    #[arg(long, value_parser = number, default_value = "0")]
    flags: u64,
    /// Set the reserved field of this index; 4 is `reserved0`.
    #[arg(long)]
    reserved: Option<usize>,
    /// Hand over an argument that cannot be read.
    #[arg(long)]
    bad_pointer: bool,
}

impl Transfer {
    pub fn run(&self) -> Result<String, Errno> {
        let ignore = SigAction::new(
            SigHandler::Handler(nothing),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: The handler does nothing.
        unsafe { sigaction(Signal::SIGUSR1, &ignore) }?;
        let node = open(&self.node, self.node_write)?;
        let target = self.target()?;
        let mut argument = resmem::abi::Transfer {
            fd: target.fd,
            flags: self.flags as u32,
            region_offset: self.region_offset,
            length: self.length,
            file_offset: self.file_offset,
            chunk: self.chunk as u32,
            depth: self.depth as u32,
            ..Default::default()
        };
        match self.reserved {
            Some(4) => argument.reserved0 = 1,
            Some(index) => argument.reserved[index] = 1,
            None => {}
        }
        let pointer = if self.bad_pointer {
            std::ptr::without_provenance_mut(8)
        } else {
            &raw mut argument
        };
        // SAFETY: The node is one of the driver's; the pointer is valid, or not mapped at all, which
        // the kernel answers with EFAULT.
        let result = unsafe {
            match self.direction {
                Direction::Dump => resmem::ioctl::dump(node.as_raw_fd(), pointer),
                Direction::Load => resmem::ioctl::load(node.as_raw_fd(), pointer),
            }
        };
        result.map(|_| {
            format!(
                "moved={} direct={} copied={} error={:?}",
                argument.moved,
                argument.direct,
                argument.copied,
                Errno::from_raw(argument.error as i32)
            )
        })
    }

    fn target(&self) -> Result<Target, Errno> {
        if let Some(number) = self.target.strip_prefix("fd:") {
            return Ok(Target {
                fd: number.parse().unwrap_or(-1),
                _open: Vec::new(),
            });
        }
        if self.target == "pipe" {
            let (read, write) = std::io::pipe().map_err(errno_of)?;
            return Ok(Target {
                fd: write.as_raw_fd(),
                _open: vec![Box::new(read), Box::new(write)],
            });
        }
        let has = |letter| self.mode.contains(letter);
        let mut flags = 0;
        if has('d') {
            flags |= libc::O_DIRECT;
        }
        let file = OpenOptions::new()
            .read(has('r'))
            .write(has('w') && !has('a'))
            .append(has('a'))
            .create(has('c'))
            .custom_flags(flags)
            .open(&self.target)
            .map_err(errno_of)?;
        Ok(Target {
            fd: file.as_raw_fd(),
            _open: vec![Box::new(file)],
        })
    }
}

/// A signal that ends what it interrupts, and nothing else: SIGUSR1.
extern "C" fn nothing(_signal: i32) {}

/// A descriptor and what keeps it open.
struct Target {
    fd: RawFd,
    _open: Vec<Box<dyn AsRawFd>>,
}
