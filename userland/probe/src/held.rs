// SPDX-License-Identifier: MIT
//! Memory that the kernel holds while a dump runs.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use clap::Args;
use nix::errno::Errno;

use crate::{errno_of, number, open};

#[derive(Args)]
pub struct Held {
    node: PathBuf,
    /// A block device, slow enough for the dump to be looked at.
    target: PathBuf,
    #[arg(long, value_parser = number)]
    length: u64,
    #[arg(long, value_parser = number, default_value = "0x100000")]
    chunk: u64,
    #[arg(long, value_parser = number, default_value = "32")]
    depth: u64,
}

impl Held {
    /// Prints how many bytes less were free at some instant of the dump than before it, and how
    /// often it was looked.
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        let target = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(&self.target)
            .map_err(errno_of)?;
        let mut argument = resmem::abi::Transfer {
            fd: target.as_raw_fd(),
            length: self.length,
            chunk: self.chunk as u32,
            depth: self.depth as u32,
            ..Default::default()
        };
        let (go, wait) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let dump = thread::spawn(move || {
            let _ = wait.recv();
            // SAFETY: The node is one of the driver's, the argument is valid.
            let result = unsafe { resmem::ioctl::dump(node.as_raw_fd(), &mut argument) };
            let _ = tell.send(result.map(|_| argument.moved));
        });
        // What looking itself needs is there after a few looks.
        let mut before = free()?;
        for _ in 0..16 {
            before = free()?;
        }
        let (mut least, mut looks) = (before, 0);
        let _ = go.send(());
        let moved = loop {
            match told.try_recv() {
                Ok(moved) => break moved?,
                Err(TryRecvError::Disconnected) => return Err(Errno::ECHILD),
                Err(TryRecvError::Empty) => {
                    least = least.min(free()?);
                    looks += 1;
                }
            }
        };
        let _ = dump.join();
        let held = before.saturating_sub(least);
        Ok(format!("held={held} looks={looks} moved={moved}"))
    }
}

/// Free memory in bytes.
fn free() -> Result<u64, Errno> {
    meminfo("MemFree:")
}

/// A line of `/proc/meminfo`, in bytes.
pub fn meminfo(name: &str) -> Result<u64, Errno> {
    let text = fs::read_to_string("/proc/meminfo").map_err(errno_of)?;
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or(Errno::EINVAL)
}
