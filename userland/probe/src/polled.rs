// SPDX-License-Identifier: MIT
//! A poll of a node while a snapshot is being started there, into memory that takes its time to come: a private
//! mapping of a file, each page of which is read from a disk first, which stands still.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::gettid;
use resmem::abi::{Snapshot, SnapshotStatus};

use crate::{errno_of, number, open};

/// Until the thread that starts the snapshot waits for the disk.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Polled {
    node: PathBuf,
    /// A file or disk whose pages the kernel does not have in memory.
    file: PathBuf,
    #[arg(long, value_parser = number, default_value = "0x4000000")]
    length: u64,
}

impl Polled {
    /// Says at once what the status of the snapshot is right after the poll, 0, none, while it is being started;
    /// returns when it was.
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        let file = OpenOptions::new()
            .read(true)
            .open(&self.file)
            .map_err(errno_of)?;
        let length = usize::try_from(self.length)
            .ok()
            .and_then(|length| length.try_into().ok())
            .ok_or(Errno::EINVAL)?;
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping, wherever the kernel likes; nothing refers to it.
        let memory = unsafe { mmap(None, length, both, MapFlags::MAP_PRIVATE, &file, 0) }?;
        let asked = Snapshot {
            address: memory.as_ptr().addr() as u64,
            length: self.length,
            eventfd: -1,
            ..Default::default()
        };
        let (tell, told) = channel();
        thread::scope(|scope| {
            let node = &node;
            let starter = scope.spawn(move || {
                let _ = tell.send(gettid());
                // SAFETY: The node is one of the driver's; the buffer stays, and nothing looks at it.
                unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), &asked) }
            });
            let thread = told.recv().map_err(|_| Errno::ESRCH)?;
            let stat = format!("/proc/self/task/{thread}/stat");
            let begun = Instant::now();
            // The reason is said at once: what follows waits for the snapshot's end.
            while !fs::read_to_string(&stat)
                .inspect_err(|error| println!("polled nothing, it was started at once: {error}"))
                .map_err(errno_of)?
                .contains(") D ")
            {
                if begun.elapsed() > DEADLINE {
                    println!("polled nothing: it does not wait for the disk");
                    return Err(Errno::ETIMEDOUT);
                }
                thread::yield_now();
            }
            let mut entry = [PollFd::new(node.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut entry, PollTimeout::ZERO)?;
            let mut status = SnapshotStatus::default();
            // SAFETY: The node is one of the driver's, `status` is valid.
            unsafe { resmem::ioctl::snapshot_status(node.as_raw_fd(), &mut status) }?;
            println!("polled ready={ready} state={}", status.state);
            starter.join().map_err(|_| Errno::ESRCH)??;
            Ok(String::new())
        })
    }
}
