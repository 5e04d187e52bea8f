// SPDX-License-Identifier: MIT
//! What fio does with `--ioengine=io_uring --fixedbufs=1 --direct=1`: ordinary memory that is registered with the
//! ring once, written with several requests in flight. fio itself is in no archive for 32-bit PowerPC that the image
//! is built from.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use io_uring::{IoUring, opcode, types::Fd};
use nix::errno::Errno;

use crate::{errno_of, number};

#[derive(Args)]
pub struct Ordinary {
    target: PathBuf,
    #[arg(long, value_parser = number)]
    length: u64,
    #[arg(long, value_parser = number, default_value = "0x400000")]
    chunk: u64,
    #[arg(long, default_value_t = 4)]
    depth: u32,
}

impl Ordinary {
    pub fn run(&self) -> Result<String, Errno> {
        const PAGE: usize = 64 << 10;
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| Errno::EOVERFLOW);
        let (length, chunk) = (size(self.length)?, size(self.chunk)?);
        let target = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_DIRECT)
            .open(&self.target)
            .map_err(errno_of)?;
        // As many buffers as fit are in flight; a buffer is at most 1 GiB.
        let whole = chunk * self.depth as usize;
        let mut memory = vec![0x5a_u8; whole + PAGE];
        let from = memory.as_ptr().align_offset(PAGE);
        let buffer = libc::iovec {
            iov_base: memory[from..].as_mut_ptr().cast(),
            iov_len: whole,
        };
        let mut ring = IoUring::new(self.depth).map_err(errno_of)?;
        // SAFETY: The memory is there until the ring is gone, which is dropped first; nothing looks at it meanwhile.
        unsafe { ring.submitter().register_buffers(&[buffer]) }.map_err(errno_of)?;
        let (mut asked, mut written, mut flying) = (0, 0, 0);
        while written < length {
            while flying < self.depth as usize && asked < length {
                let address = memory[from + asked % whole..].as_ptr();
                let bytes = chunk.min(length - asked);
                let write =
                    opcode::WriteFixed::new(Fd(target.as_raw_fd()), address, bytes as u32, 0)
                        .offset(asked as u64)
                        .build();
                // SAFETY: The entry refers to the registered buffer, which the kernel checks.
                unsafe { ring.submission().push(&write) }.map_err(|_| Errno::EBUSY)?;
                asked += bytes;
                flying += 1;
            }
            ring.submit_and_wait(1).map_err(errno_of)?;
            for done in ring.completion() {
                match done.result() {
                    bytes @ 1.. => written += bytes as usize,
                    0 => return Err(Errno::ENOSPC),
                    error => return Err(Errno::from_raw(-error)),
                }
                flying -= 1;
            }
        }
        target.sync_data().map_err(errno_of)?;
        Ok(format!("written={written}"))
    }
}
