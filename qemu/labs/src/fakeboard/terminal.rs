// SPDX-License-Identifier: MIT
//! A pseudo terminal.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::Result;
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

/// A pseudo terminal. No program that is started meanwhile inherits an end: it would keep the terminal open for as
/// long as it runs.
pub struct Terminal {
    /// Our end.
    pub ours: File,
    /// The other one.
    pub theirs: File,
    /// The name of the other one.
    pub name: PathBuf,
}

impl Terminal {
    /// A new one.
    pub fn new() -> Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let ours = posix_openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = PathBuf::from(ptsname_r(&ours)?);
        let theirs = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(&name)?;
        Ok(Self {
            ours: OwnedFd::from(ours).into(),
            theirs,
            name,
        })
    }
}
