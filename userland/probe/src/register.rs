// SPDX-License-Identifier: MIT
//! A range of a region as a fixed buffer of an io_uring, allowed and not, and what can be done with it.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use io_uring::{IoUring, opcode, squeue, types::Fd};
use nix::errno::Errno;
use resmem::abi::RegisterBuffer;
use resmem::ioctl::{REGISTER, argument};

use crate::{errno_of, number};

#[derive(Args)]
pub struct Register {
    node: PathBuf,
    #[arg(long, value_parser = number, default_value = "0")]
    offset: u64,
    #[arg(long, value_parser = number, default_value = "0x1000")]
    length: u64,
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Entries of the ring's table.
    #[arg(long, default_value_t = 1)]
    table: u32,
    /// Another operation.
    #[arg(long, value_parser = number)]
    operation: Option<u64>,
    /// Open the node for writing only.
    #[arg(long)]
    write_only: bool,
    /// Do it that often.
    #[arg(long, default_value_t = 1)]
    times: u32,
    #[command(subcommand)]
    then: Option<Then>,
}

#[derive(Subcommand)]
enum Then {
    /// Write from byte FROM of the buffer, LENGTH bytes, to the begin of a file, by direct I/O.
    Write {
        file: PathBuf,
        #[arg(value_parser = number)]
        from: u64,
        #[arg(value_parser = number)]
        length: u64,
    },
    /// Read from a file into the buffer.
    Read { file: PathBuf },
    /// Say whether a worker of the ring did it.
    Worker,
    /// Close the node, try to unload the module, and write a page to a file.
    Outlive { file: PathBuf },
}

impl Register {
    pub fn run(&self) -> Result<String, Errno> {
        let node = OpenOptions::new()
            .read(!self.write_only)
            .write(self.write_only)
            .open(&self.node)
            .map_err(errno_of)?;
        let mut ring = IoUring::new(4).map_err(errno_of)?;
        let table = ring.submitter().register_buffers_sparse(self.table);
        table.map_err(errno_of)?;
        let operation = match self.operation {
            Some(operation) => operation as u32,
            None => REGISTER,
        };
        let buffer = RegisterBuffer {
            region_offset: self.offset,
            length: u32::try_from(self.length).map_err(|_| Errno::EOVERFLOW)?,
            index: self.index,
        };
        for _ in 0..self.times {
            let command = opcode::UringCmd16::new(Fd(node.as_raw_fd()), operation)
                .cmd(argument(buffer))
                .build();
            complete(&mut ring, &command)?;
        }
        match &self.then {
            None => Ok(String::new()),
            Some(Then::Write { file, from, length }) => write(&mut ring, file, *from, *length),
            Some(Then::Read { file }) => {
                let file = File::open(file).map_err(errno_of)?;
                let address = std::ptr::without_provenance_mut(0);
                let read = opcode::ReadFixed::new(Fd(file.as_raw_fd()), address, 512, 0);
                complete(&mut ring, &read.build()).map(|read| format!("read={read}"))
            }
            Some(Then::Worker) => worker().map(|worker| format!("worker={worker}")),
            Some(Then::Outlive { file }) => {
                drop(node);
                let unload = std::process::Command::new("rmmod").arg("resmem").output();
                if unload.map_err(errno_of)?.status.success() {
                    return Ok("unloaded".to_owned());
                }
                write(&mut ring, file, 0, 4096)
            }
        }
    }
}

/// Whether this process has a worker of a ring. It stays for some seconds after its last work.
fn worker() -> Result<bool, Errno> {
    let tasks = fs::read_dir("/proc/self/task").map_err(errno_of)?;
    let mut names = tasks
        .flatten()
        .flat_map(|task| fs::read_to_string(task.path().join("comm")));
    Ok(names.any(|name| name.starts_with("iou-wrk")))
}

fn write(ring: &mut IoUring, file: &Path, from: u64, length: u64) -> Result<String, Errno> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_DIRECT)
        .open(file)
        .map_err(errno_of)?;
    let address = std::ptr::without_provenance(from as usize);
    let write = opcode::WriteFixed::new(Fd(file.as_raw_fd()), address, length as u32, 0).build();
    let written = complete(ring, &write)?;
    Ok(format!("written={written}"))
}

/// Submits one entry and waits for its completion.
fn complete(ring: &mut IoUring, entry: &squeue::Entry) -> Result<i32, Errno> {
    // SAFETY: Entries of this file refer to the ring's fixed buffers, which the kernel checks, and to
    // no memory of this process.
    unsafe { ring.submission().push(entry) }.map_err(|_| Errno::EBUSY)?;
    ring.submit_and_wait(1).map_err(errno_of)?;
    let entry = ring.completion().next().ok_or(Errno::ENODATA)?;
    match entry.result() {
        result @ 0.. => Ok(result),
        error => Err(Errno::from_raw(-error)),
    }
}
