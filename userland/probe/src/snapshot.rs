// SPDX-License-Identifier: MIT
//! A snapshot into a buffer of ours, and the ways to be notified of its end.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::resource::{Resource, setrlimit};
use resmem::abi::{self, SnapshotStatus};

use crate::{errno_of, number, open};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Wait {
    Poll,
    Eventfd,
    /// By an entry that was made before the snapshot was started.
    Epoll,
    /// Close the node at once.
    Close,
    /// End the process at once.
    Exit,
}

#[derive(Args)]
pub struct Snapshot {
    node: PathBuf,
    #[arg(long, value_parser = number, default_value = "0")]
    region_offset: u64,
    #[arg(long, value_parser = number, default_value = "0x10000")]
    length: u64,
    /// Bytes between the start of a page and the buffer.
    #[arg(long, value_parser = number, default_value = "0")]
    misalign: u64,
    #[arg(long, value_enum, default_value = "poll")]
    wait: Wait,
    /// Where to write the buffer.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Give an address that is not ours.
    #[arg(long)]
    bad_address: bool,
    /// Give the node itself as the eventfd.
    #[arg(long)]
    bad_eventfd: bool,
    /// Start a second one at once.
    #[arg(long)]
    twice: bool,
    /// Give a mapping of this node as the buffer, from its first byte on.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Bytes that may be pinned (`RLIMIT_MEMLOCK`), without the capability to exceed that.
    #[arg(long, value_parser = number)]
    memlock: Option<u64>,
    /// Do it that often.
    #[arg(long, default_value_t = 1)]
    times: u32,
    #[arg(long, value_parser = number, default_value = "0")]
    flags: u64,
    /// Set the reserved field of this index.
    #[arg(long)]
    reserved: Option<usize>,
}

impl Snapshot {
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        if let Some(most) = self.memlock {
            limit(most)?;
        }
        let mapping = self.into.as_deref().map(|node| map(node, self.length));
        let mapping = mapping.transpose()?;
        let length = usize::try_from(self.length).map_err(|_| Errno::EOVERFLOW)?;
        let misalign = self.misalign as usize;
        // What lies before and behind the part that is to be filled must stay as it is.
        let mut memory = vec![0x5a_u8; misalign + length.min(1 << 28) + 2 * 4096];
        let start = memory.as_ptr().align_offset(4096) + misalign;
        let event = EventFd::new()?;
        let mut asked = abi::Snapshot {
            address: match (self.bad_address, mapping) {
                (true, _) => 4096,
                (_, Some(address)) => address as u64 + self.misalign,
                _ => memory.as_ptr().addr() as u64 + start as u64,
            },
            length: self.length,
            region_offset: self.region_offset,
            eventfd: match (self.bad_eventfd, self.wait) {
                (true, _) => node.as_raw_fd(),
                (false, Wait::Eventfd) => event.as_raw_fd(),
                (false, _) => -1,
            },
            flags: self.flags as u32,
            ..Default::default()
        };
        if let Some(index) = self.reserved {
            asked.reserved[index] = 1;
        }
        for _ in 1..self.times {
            // SAFETY: As below.
            unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), &asked) }?;
            let mut fds = [PollFd::new(node.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE)?;
        }
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        if self.wait == Wait::Epoll {
            epoll.add(&node, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        // SAFETY: The node is one of the driver's; the buffer stays where it is, and is not looked
        // at before the end.
        unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), &asked) }?;
        if self.twice {
            // SAFETY: As above: a refused call does nothing.
            unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), &asked) }?;
        }
        match self.wait {
            Wait::Exit => std::process::exit(0),
            Wait::Close => {
                drop(node);
                return Ok(String::new());
            }
            Wait::Eventfd => {
                event.read()?;
            }
            Wait::Epoll => {
                // It takes milliseconds, or nothing wakes.
                if epoll.wait(&mut [EpollEvent::empty()], 60_000u16)? == 0 {
                    return Err(Errno::ETIMEDOUT);
                }
            }
            Wait::Poll => {
                let mut fds = [PollFd::new(node.as_fd(), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::NONE)?;
            }
        }
        let status = status(&node)?;
        let around = memory[..start].iter().chain(&memory[start + length..]);
        let untouched = around.into_iter().all(|byte| *byte == 0x5a);
        if let Some(out) = &self.out {
            std::fs::write(out, &memory.split_off(start)[..length]).map_err(errno_of)?;
        }
        Ok(format!(
            "state={} copied={} error={} untouched={untouched}",
            status.state, status.copied, status.error
        ))
    }
}

/// The address of a shared mapping of a node.
fn map(node: &Path, length: u64) -> Result<usize, Errno> {
    let node = open(node, true)?;
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.try_into().ok())
        .ok_or(Errno::EINVAL)?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping, wherever the kernel likes; nothing refers to it.
    let mapped = unsafe { mmap(None, length, both, MapFlags::MAP_SHARED, &node, 0) }?;
    Ok(mapped.as_ptr().addr())
}

/// Lets this process have `most` bytes pinned, like one without privileges.
fn limit(most: u64) -> Result<(), Errno> {
    let most = most as libc::rlim_t;
    setrlimit(Resource::RLIMIT_MEMLOCK, most, most)?;
    /// From the kernel's `linux/capability.h`: the version with two words of each set, and `CAP_IPC_LOCK`.
    const VERSION: u32 = 0x2008_0522;
    const IPC_LOCK: u32 = 14;
    let header = [VERSION, 0];
    // Effective, permitted, inheritable, in each half.
    let mut sets = [0u32; 6];
    // SAFETY: Header and sets are as large as this version says.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &header, &mut sets) })?;
    sets[0] &= !(1 << IPC_LOCK);
    // SAFETY: As above.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &header, &sets) }).map(drop)
}

fn status(node: &File) -> Result<SnapshotStatus, Errno> {
    let mut status = SnapshotStatus::default();
    // SAFETY: The node is one of the driver's, `status` is valid.
    unsafe { resmem::ioctl::snapshot_status(node.as_raw_fd(), &mut status) }?;
    Ok(status)
}

/// The status of a node on which nothing was started.
pub fn idle(node: &Path) -> Result<String, Errno> {
    Ok(format!("state={}", status(&open(node, false)?)?.state))
}
