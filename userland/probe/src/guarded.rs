// SPDX-License-Identifier: MIT
//! A file is opened, something comes in the way of writing to it, and then it is written to: by an
//! ordinary direct write, or by the module. Both print the result in the same words.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, setrlimit};

use crate::guard::Flagged;
use crate::{errno_of, number, open};

#[derive(Clone, Copy, ValueEnum)]
enum Writer {
    /// `pwrite()` of memory of this process.
    Ordinary,
    /// The module.
    Dump,
}

#[derive(Clone, Copy, ValueEnum)]
enum Situation {
    /// Nothing.
    Plain,
    /// The descriptor names the file and cannot do anything (`O_PATH`).
    NameOnly,
    /// The file becomes immutable.
    Immutable,
    /// The file becomes one that can only be appended to.
    AppendOnly,
    /// The descriptor is made one that appends.
    Appends,
    /// No file of this process may become larger than a MiB.
    SizeLimit,
    /// Instead of the file, memory that is sealed against writing.
    Sealed,
    /// Another process holds a lock on all of the file.
    Locked,
}

#[derive(Args)]
pub struct Guarded {
    #[arg(value_enum)]
    by: Writer,
    node: PathBuf,
    file: PathBuf,
    #[arg(value_enum, default_value = "plain")]
    situation: Situation,
    #[arg(long, value_parser = number, default_value = "0x10000")]
    length: u64,
}

/// Bytes written at once, and the alignment of the memory that they are in.
const BLOCK: usize = 1 << 16;

impl Guarded {
    /// Prints how many bytes were written, and why not more.
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        let file = self.open()?;
        let (moved, error) = match self.situation {
            Situation::Immutable => {
                let _flagged = Flagged::immutable(&self.file)?;
                self.write(&node, &file)
            }
            Situation::AppendOnly => {
                let _flagged = Flagged::append_only(&self.file)?;
                self.write(&node, &file)
            }
            Situation::Appends => {
                let flags = OFlag::O_DIRECT | OFlag::O_APPEND;
                fcntl(&file, FcntlArg::F_SETFL(flags))?;
                self.write(&node, &file)
            }
            Situation::SizeLimit => {
                setrlimit(Resource::RLIMIT_FSIZE, 1 << 20, 1 << 20)?;
                self.write(&node, &file)
            }
            Situation::Locked => {
                let mut all = whole_file();
                // A lock of the open file: ours is another one.
                let holder = OpenOptions::new().read(true).write(true).open(&self.file);
                let holder = holder.map_err(errno_of)?;
                fcntl(&holder, FcntlArg::F_OFD_SETLK(&all))?;
                fcntl(&file, FcntlArg::F_OFD_GETLK(&mut all))?;
                if all.l_type == libc::F_UNLCK as libc::c_short {
                    return Err(Errno::ENOLCK);
                }
                self.write(&node, &file)
            }
            Situation::Plain | Situation::NameOnly | Situation::Sealed => self.write(&node, &file),
        };
        let error = error.map_or("none".to_owned(), |error| format!("{error:?}"));
        Ok(format!("moved={moved} error={error}"))
    }

    fn open(&self) -> Result<File, Errno> {
        if matches!(self.situation, Situation::Sealed) {
            let memory = memfd_create(c"sealed", MFdFlags::MFD_ALLOW_SEALING)?;
            let memory = File::from(memory);
            memory.set_len(self.length).map_err(errno_of)?;
            fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE))?;
            // Direct I/O is had by opening only.
            let file = OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_DIRECT)
                .open(format!("/proc/self/fd/{}", memory.as_raw_fd()))
                .map_err(errno_of)?;
            return Ok(file);
        }
        let flags = match self.situation {
            Situation::NameOnly => libc::O_PATH,
            _ => libc::O_DIRECT,
        };
        OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(&self.file)
            .map_err(errno_of)
    }

    /// Bytes that were written, and what ended it before its time.
    fn write(&self, node: &File, file: &File) -> (u64, Option<Errno>) {
        match self.by {
            Writer::Ordinary => self.ordinary(file),
            Writer::Dump => self.dump(node, file),
        }
    }

    fn ordinary(&self, file: &File) -> (u64, Option<Errno>) {
        let memory = vec![0x5a_u8; 2 * BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        let mut moved = 0;
        while moved < self.length {
            let length = BLOCK.min((self.length - moved) as usize);
            match file.write_at(&memory[start..start + length], moved) {
                Ok(written) => moved += written as u64,
                Err(error) => return (moved, Some(errno_of(error))),
            }
        }
        (moved, None)
    }

    fn dump(&self, node: &File, file: &File) -> (u64, Option<Errno>) {
        let mut argument = resmem::abi::Transfer {
            fd: file.as_raw_fd(),
            length: self.length,
            chunk: BLOCK as u32,
            ..Default::default()
        };
        // SAFETY: The node is one of the driver's, the argument is valid.
        match unsafe { resmem::ioctl::dump(node.as_raw_fd(), &mut argument) } {
            Err(errno) => (0, Some(errno)),
            Ok(_) if argument.error != 0 => {
                (argument.moved, Some(Errno::from_raw(argument.error as i32)))
            }
            Ok(_) => (argument.moved, None),
        }
    }
}

/// A lock for writing on all of a file.
fn whole_file() -> libc::flock {
    // SAFETY: Integers: zeroes are a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock
}
