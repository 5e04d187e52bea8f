// SPDX-License-Identifier: MIT
//! Ways to write to a mapping that is for reading, other than a plain store.

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io::IoSlice;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::ptr::NonNull;

use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::sys::mman::{MRemapFlags, MapFlags, ProtFlags, mmap_anonymous, mprotect, mremap};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::errno_of;

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// A child process makes it writable.
    ChildProtects,
    /// A child process stores.
    ChildStores,
    /// It is moved elsewhere, and made writable there.
    Moved,
    /// A debugger writes to a child process (`PTRACE_POKEDATA`).
    Poke,
    /// Another process writes to it (`process_vm_writev`).
    Remote,
    /// The kernel reads a file into it.
    Read,
    /// The same by direct I/O, hence by a device.
    DirectRead,
    /// The kernel is asked to make its pages writable (`MADV_POPULATE_WRITE`).
    Populate,
    /// What lies behind it is given up (`MADV_REMOVE`).
    Remove,
    /// A ring takes it as a buffer to read into.
    RingBuffer,
    /// The module fills it with a snapshot of another region.
    Snapshot,
}

#[derive(Args)]
pub struct Overwrite {
    #[arg(value_enum)]
    how: How,
    /// What is read, or of which a snapshot is taken.
    from: Option<PathBuf>,
}

/// What is written where something of ours is written.
const BYTE: u8 = 0x5a;

impl Overwrite {
    /// Prints the result, if it was not refused.
    pub fn run(&self, address: NonNull<c_void>, length: usize) -> Result<String, Errno> {
        match self.how {
            How::ChildProtects => in_child(|| match protect(address, length) {
                Ok(()) => 0,
                Err(errno) => errno as i32,
            }),
            How::ChildStores => in_child(|| {
                // SAFETY: If this is not allowed it ends the child, which is looked for.
                unsafe { address.cast::<u8>().as_ptr().write_volatile(BYTE) };
                0
            }),
            How::Moved => protect(moved(address, length)?, length).map(|()| String::new()),
            How::Poke => poke(address),
            How::Remote => remote(address),
            How::Read => self.read(address, length, 0),
            How::DirectRead => self.read(address, length, libc::O_DIRECT),
            How::Populate => advise(address, length, libc::MADV_POPULATE_WRITE),
            How::Remove => advise(address, length, libc::MADV_REMOVE),
            How::RingBuffer => ring_buffer(address, length),
            How::Snapshot => self.snapshot(address, length),
        }
    }

    fn from(&self) -> Result<&PathBuf, Errno> {
        self.from.as_ref().ok_or(Errno::ENOENT)
    }

    fn read(&self, address: NonNull<c_void>, length: usize, flags: i32) -> Result<String, Errno> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(self.from()?)
            .map_err(errno_of)?;
        // SAFETY: `length` bytes at `address` are mapped. The kernel is to find that they cannot be
        // written to; nothing else is done with the slice.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(address.cast::<u8>().as_ptr(), length) };
        let count = file.read_at(bytes, 0).map_err(errno_of)?;
        Ok(format!("read={count}"))
    }

    fn snapshot(&self, address: NonNull<c_void>, length: usize) -> Result<String, Errno> {
        let node = crate::open(self.from()?, false)?;
        let asked = resmem::abi::Snapshot {
            address: address.as_ptr().addr() as u64,
            length: length as u64,
            eventfd: -1,
            ..Default::default()
        };
        // SAFETY: The node is one of the driver's. Nothing of this program lives in the mapping.
        unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), &asked) }.map(|_| String::new())
    }
}

fn protect(address: NonNull<c_void>, length: usize) -> Result<(), Errno> {
    // SAFETY: The mapping is ours, nothing relies on its protection.
    unsafe {
        mprotect(
            address,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        )
    }
}

/// The mapping, in a place that another one had.
fn moved(address: NonNull<c_void>, length: usize) -> Result<NonNull<c_void>, Errno> {
    let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
    // SAFETY: A new mapping at an address that the kernel chooses disturbs nothing.
    let place = unsafe { mmap_anonymous(None, size, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) }?;
    let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
    // SAFETY: Both are ours, and nothing is in them that this program uses.
    unsafe { mremap(address, length, length, flags, Some(place)) }
}

fn advise(address: NonNull<c_void>, length: usize, advice: i32) -> Result<String, Errno> {
    // SAFETY: The mapping is ours, nothing of this program lives in it.
    let ret = unsafe { libc::madvise(address.as_ptr(), length, advice) };
    Errno::result(ret).map(|_| String::new())
}

fn ring_buffer(address: NonNull<c_void>, length: usize) -> Result<String, Errno> {
    let ring = io_uring::IoUring::new(4).map_err(errno_of)?;
    let buffer = libc::iovec {
        iov_base: address.as_ptr(),
        iov_len: length,
    };
    // SAFETY: The memory stays mapped until the process ends.
    unsafe { ring.submitter().register_buffers(&[buffer]) }.map_err(errno_of)?;
    Ok(String::new())
}

/// Does something in a child process, whose exit status is the number of an error; or the signal that
/// ended it is the result.
fn in_child(work: impl FnOnce() -> i32) -> Result<String, Errno> {
    // SAFETY: This process has one thread; the child ends without running what the parent has set up.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let status = work();
            // SAFETY: Ends this process.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(String::new()),
            WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
            WaitStatus::Signaled(_, signal, _) => Ok(format!("{signal:?}")),
            _ => Err(Errno::ECHILD),
        },
    }
}

/// Runs something on a child that stands still, with the mapping, as its debugger.
fn with_stopped(work: impl FnOnce(Pid) -> Result<(), Errno>) -> Result<String, Errno> {
    // SAFETY: As in `in_child`.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let ready = ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP));
            // SAFETY: Ends this process.
            unsafe { libc::_exit(ready.is_err().into()) }
        }
        ForkResult::Parent { child } => {
            let stopped = matches!(waitpid(child, None)?, WaitStatus::Stopped(..));
            let result = match stopped {
                true => work(child),
                false => Err(Errno::ECHILD),
            };
            ptrace::kill(child)?;
            waitpid(child, None)?;
            result.map(|()| String::new())
        }
    }
}

fn poke(address: NonNull<c_void>) -> Result<String, Errno> {
    let word = libc::c_long::from_ne_bytes([BYTE; size_of::<libc::c_long>()]);
    with_stopped(|child| ptrace::write(child, address.as_ptr(), word))
}

fn remote(address: NonNull<c_void>) -> Result<String, Errno> {
    with_stopped(|child| {
        let there = RemoteIoVec {
            base: address.as_ptr().addr(),
            len: 1,
        };
        process_vm_writev(child, &[IoSlice::new(&[BYTE])], &[there]).map(drop)
    })
}
