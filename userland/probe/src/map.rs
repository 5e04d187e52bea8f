// SPDX-License-Identifier: MIT
//! Mappings of a region, allowed and not.

use std::fs::OpenOptions;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::ptr::NonNull;

use clap::{Args, Subcommand};
use nix::errno::Errno;
use nix::sys::mman::{MRemapFlags, MapFlags, ProtFlags, mmap, mprotect, mremap};

use crate::overwrite::Overwrite;
use crate::{errno_of, number, open};

#[derive(Args)]
pub struct Map {
    node: PathBuf,
    #[arg(long, value_parser = number, default_value = "0")]
    offset: u64,
    #[arg(long, value_parser = number, default_value = "0x1000")]
    length: u64,
    /// Any of r, w, x.
    #[arg(long, default_value = "r")]
    prot: String,
    #[arg(long)]
    private: bool,
    /// Open the node for writing as well.
    #[arg(long)]
    node_write: bool,
    #[command(subcommand)]
    then: Option<Then>,
}

#[derive(Subcommand)]
enum Then {
    /// Make it writable.
    Mprotect,
    /// Make it a page longer.
    Mremap,
    /// Store a byte at the start.
    Store {
        #[arg(value_parser = number)]
        byte: u64,
    },
    /// Print how much memory the process has from files, in KiB.
    Resident,
    /// Write all of it to a file with O_DIRECT.
    Direct { file: PathBuf },
    /// Move all of it into a pipe by reference, and print a checksum of what comes out.
    Vmsplice,
    /// Say that it is there, keep it until standard input ends, and print the sum of its bytes.
    Hold,
    /// Write to the mapping through /proc/self/mem, as a debugger would.
    ProcMem,
    /// Write to it in some other way.
    Overwrite(Overwrite),
}

impl Map {
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, self.node_write)?;
        let length = usize::try_from(self.length).map_err(|_| Errno::EOVERFLOW)?;
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let mut prot = ProtFlags::PROT_NONE;
        for (letter, flag) in [
            ('r', ProtFlags::PROT_READ),
            ('w', ProtFlags::PROT_WRITE),
            ('x', ProtFlags::PROT_EXEC),
        ] {
            prot.set(flag, self.prot.contains(letter));
        }
        let sharing = if self.private {
            MapFlags::MAP_PRIVATE
        } else {
            MapFlags::MAP_SHARED
        };
        let offset = self.offset.try_into().map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: A new mapping at an address that the kernel chooses disturbs nothing.
        let address = unsafe { mmap(None, size, prot, sharing, &node, offset) }?;
        match &self.then {
            None => Ok(String::new()),
            Some(then) => then.run(address, length),
        }
    }
}

impl Then {
    fn run(&self, address: NonNull<std::ffi::c_void>, length: usize) -> Result<String, Errno> {
        // SAFETY: The mapping is `length` bytes long and stays until the process ends. That others
        // may change it meanwhile does not matter for bytes that are only passed on.
        let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>().as_ptr(), length) };
        match self {
            Then::Mprotect => {
                // SAFETY: The mapping is ours, nothing relies on its protection.
                unsafe {
                    mprotect(
                        address,
                        length,
                        ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                    )
                }?;
                Ok(String::new())
            }
            Then::Mremap => {
                let flags = MRemapFlags::MREMAP_MAYMOVE;
                // Longer by a page, of whatever size.
                let longer = length + (64 << 10);
                // SAFETY: `bytes` is not used after this.
                unsafe { mremap(address, length, longer, flags, None) }?;
                Ok(String::new())
            }
            Then::Store { byte } => {
                // SAFETY: The caller asked for a writable mapping; else this ends the process, which
                // the test sees.
                unsafe { address.cast::<u8>().as_ptr().write_volatile(*byte as u8) };
                Ok(String::new())
            }
            Then::Resident => {
                let status = std::fs::read_to_string("/proc/self/status").map_err(errno_of)?;
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("RssFile:"));
                let kib = line.and_then(|rest| rest.split_whitespace().next());
                Ok(format!("kib={}", kib.ok_or(Errno::EINVAL)?))
            }
            Then::Direct { file } => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .custom_flags(libc::O_DIRECT)
                    .open(file)
                    .map_err(errno_of)?;
                file.write_all_at(bytes, 0).map_err(errno_of)?;
                Ok(format!("written={length}"))
            }
            Then::Vmsplice => vmsplice(bytes),
            Then::Hold => {
                println!("mapped");
                std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map_err(errno_of)?;
                let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
                Ok(format!("sum={sum}"))
            }
            Then::Overwrite(call) => call.run(address, length),
            Then::ProcMem => {
                let memory = OpenOptions::new()
                    .write(true)
                    .open("/proc/self/mem")
                    .map_err(errno_of)?;
                let at = address.as_ptr().addr() as u64;
                memory.write_all_at(&[0x5a], at).map_err(errno_of)?;
                Ok(String::new())
            }
        }
    }
}

/// Passes a page at a time through a pipe by reference.
fn vmsplice(bytes: &[u8]) -> Result<String, Errno> {
    let (mut read, write) = std::io::pipe().map_err(errno_of)?;
    let mut sum = 0u64;
    for page in bytes.chunks(4096) {
        let iov = libc::iovec {
            iov_base: page.as_ptr().cast_mut().cast(),
            iov_len: page.len(),
        };
        // SAFETY: `iov` describes bytes that stay mapped; vmsplice into a pipe only reads them.
        let ret = unsafe { libc::vmsplice(write.as_raw_fd(), &iov, 1, 0) };
        let count = Errno::result(ret)? as usize;
        let mut copy = vec![0; count];
        std::io::Read::read_exact(&mut read, &mut copy).map_err(errno_of)?;
        sum += copy.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    Ok(format!("sum={sum}"))
}
