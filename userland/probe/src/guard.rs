// SPDX-License-Identifier: MIT
//! What prevents a process from writing to a file: put there, and taken away.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nix::errno::Errno;
use nix::sys::quota::{Dqblk, QuotaType, QuotaValidFlags, quotactl_set};

use crate::{errno_of, number};

mod ioctl {
    // From the kernel's `linux/fs.h`.
    nix::ioctl_read!(get_flags, b'f', 1, libc::c_long);
    nix::ioctl_write_ptr!(set_flags, b'f', 2, libc::c_long);
    nix::ioctl_readwrite!(freeze, b'X', 119, libc::c_int);
    nix::ioctl_readwrite!(thaw, b'X', 120, libc::c_int);
}

/// `FS_IMMUTABLE_FL`: no process writes.
const IMMUTABLE: libc::c_long = 0x10;
/// `FS_APPEND_FL`: what is there stays.
const APPEND_ONLY: libc::c_long = 0x20;

#[derive(Args)]
pub struct Guard {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Let a file system change nothing.
    Freeze { folder: PathBuf },
    /// Let it go on.
    Thaw { folder: PathBuf },
    /// Give a user of a file system so many KiB.
    Quota {
        device: PathBuf,
        user: u32,
        #[arg(value_parser = number)]
        kib: u64,
    },
}

impl Guard {
    pub fn run(&self) -> Result<String, Errno> {
        match &self.what {
            What::Freeze { folder } => {
                let folder = File::open(folder).map_err(errno_of)?;
                // SAFETY: The argument is not looked at.
                unsafe { ioctl::freeze(folder.as_raw_fd(), &mut 0) }?;
            }
            What::Thaw { folder } => {
                let folder = File::open(folder).map_err(errno_of)?;
                // SAFETY: The argument is not looked at.
                unsafe { ioctl::thaw(folder.as_raw_fd(), &mut 0) }?;
            }
            What::Quota { device, user, kib } => {
                let mut limits = Dqblk::default();
                limits.set_blocks_hard_limit(*kib);
                let which = QuotaType::USRQUOTA;
                let valid = QuotaValidFlags::QIF_BLIMITS;
                quotactl_set(which, device, *user as libc::c_int, &limits, valid)?;
            }
        }
        Ok(String::new())
    }
}

/// A file that no process may write to, or only append to, for as long as this lives.
pub struct Flagged {
    file: File,
    before: libc::c_long,
}

impl Flagged {
    pub fn immutable(path: &Path) -> Result<Self, Errno> {
        Self::new(path, IMMUTABLE)
    }

    pub fn append_only(path: &Path) -> Result<Self, Errno> {
        Self::new(path, APPEND_ONLY)
    }

    fn new(path: &Path, flag: libc::c_long) -> Result<Self, Errno> {
        let file = File::open(path).map_err(errno_of)?;
        let mut before = 0;
        // SAFETY: `before` is as large as the call's number says.
        unsafe { ioctl::get_flags(file.as_raw_fd(), &mut before) }?;
        // SAFETY: As above.
        unsafe { ioctl::set_flags(file.as_raw_fd(), &(before | flag)) }?;
        Ok(Self { file, before })
    }
}

impl Drop for Flagged {
    fn drop(&mut self) {
        // SAFETY: As in `new`. An error is seen when the file is removed.
        let _ = unsafe { ioctl::set_flags(self.file.as_raw_fd(), &self.before) };
    }
}
