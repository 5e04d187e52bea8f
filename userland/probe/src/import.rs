// SPDX-License-Identifier: MIT
//! The suite's importer of dma-bufs (qemu/importer), step by step.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use nix::errno::Errno;

use crate::{errno_of, number, open};

const DEVICE: &str = "/dev/importer";

/// Its `struct importer_call`.
#[repr(C)]
#[derive(Default)]
struct Call {
    fd: i32,
    direction: u32,
    offset: u64,
    length: u64,
    buffer: u64,
}

/// Its calls, in their order.
const CALLS: [&str; 10] = [
    "attach", "map", "unmap", "read", "write", "begin", "end", "vmap", "vunmap", "detach",
];

/// The kernel's `enum dma_data_direction`; of processors, `from` is what reads.
const DIRECTIONS: [&str; 3] = ["both", "to", "from"];

/// The kernel's `DMA_BUF_SYNC_READ`, `_WRITE`, and both.
const ACCESSES: [(&str, u64); 3] = [("read", 1), ("write", 2), ("both", 3)];
/// The kernel's `DMA_BUF_SYNC_END`.
const SYNC_END: u64 = 4;

nix::ioctl_write_ptr!(
    /// From the kernel's `linux/dma-buf.h`.
    dma_buf_sync,
    b'b',
    0,
    u64
);

#[derive(Args)]
pub struct Import {
    /// `fd:N`, a descriptor that was inherited.
    buffer: PathBuf,
    /// `attach`, `detach`, `map=to|from|both`, `unmap`, `vmap`, `vunmap`, `read=OFFSET,LENGTH` (prints the sum of the
    /// bytes), `write=OFFSET,LENGTH,BYTE`, `begin=to|from|both` and `end=…` of a driver's processors, `open=read|write|both`
    /// and `close=…` of this process's (`DMA_BUF_IOCTL_SYNC`), `run=COMMAND` of a shell.
    #[arg(required = true)]
    steps: Vec<String>,
}

impl Import {
    /// Prints each step's name and result; an error is its own result.
    pub fn run(&self) -> Result<String, Errno> {
        let buffer = open(&self.buffer, false)?;
        let importer = File::options()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(errno_of)?;
        let mut said = Vec::new();
        for step in &self.steps {
            let (name, rest) = step.split_once('=').unwrap_or((step, ""));
            said.push(match make(&importer, &buffer, name, rest) {
                Ok(None) => name.to_owned(),
                Ok(Some(result)) => format!("{name}={result}"),
                Err(errno) => format!("{name}:{errno:?}"),
            });
        }
        Ok(said.join(" "))
    }
}

fn make(importer: &File, buffer: &File, name: &str, rest: &str) -> Result<Option<String>, Errno> {
    match name {
        "run" => {
            let output = Command::new("sh").args(["-c", rest]).output();
            let output = output.map_err(errno_of)?;
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(Some(text.trim().replace('\n', ";")));
        }
        "open" | "close" => {
            let found = ACCESSES.iter().find(|(access, _)| *access == rest);
            let &(_, mut flags) = found.ok_or(Errno::EINVAL)?;
            if name == "close" {
                flags |= SYNC_END;
            }
            // SAFETY: The descriptor is open, and the argument is as large as the number says.
            unsafe { dma_buf_sync(buffer.as_raw_fd(), &flags) }?;
            return Ok(None);
        }
        _ => {}
    }
    let index = CALLS.iter().position(|call| *call == name);
    let index = index.ok_or(Errno::EINVAL)?;
    let mut call = Call {
        fd: buffer.as_raw_fd(),
        ..Call::default()
    };
    let mut bytes = Vec::new();
    if matches!(name, "read" | "write") {
        let numbers: Result<Vec<u64>, _> = rest.split(',').map(number).collect();
        let numbers = numbers.map_err(|_| Errno::EINVAL)?;
        let fill = numbers.get(2).copied().unwrap_or(0) as u8;
        (call.offset, call.length) = (numbers[0], *numbers.get(1).ok_or(Errno::EINVAL)?);
        bytes.resize(call.length as usize, fill);
        call.buffer = bytes.as_mut_ptr().addr() as u64;
    } else if !rest.is_empty() {
        let direction = DIRECTIONS.iter().position(|known| *known == rest);
        call.direction = direction.ok_or(Errno::EINVAL)? as u32;
    }
    let request = nix::request_code_write!(b'i', index, size_of::<Call>());
    // SAFETY: The argument is as large as the number says, and what it points to as long as it says.
    let ret = unsafe { libc::ioctl(importer.as_raw_fd(), request as _, &raw mut call) };
    Errno::result(ret)?;
    let sum = || bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    Ok((name == "read").then(|| sum().to_string()))
}
