// SPDX-License-Identifier: MIT
//! Disks of a guest: sparse files on the host, empty or with an ext4 file system.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::output_of;

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The file that holds it, raw.
    pub path: PathBuf,
    /// More options of QEMU's `-drive`, each with a leading comma.
    pub options: String,
}

impl Disk {
    /// An empty disk of `bytes`.
    pub fn empty(path: &Path, bytes: u64) -> Result<Self> {
        File::create(path)
            .and_then(|file| file.set_len(bytes))
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            options: String::new(),
        })
    }

    /// The same disk, its flushes ignored by the emulator: what is measured then is the guest and
    /// not the host's disk. Nothing is lost as long as the host does not crash.
    pub fn unflushed(mut self) -> Self {
        self.options.push_str(",cache=unsafe");
        self
    }

    /// The same disk, that takes no more than `rate` bytes per second.
    pub fn throttled(mut self, rate: u64) -> Self {
        self.options
            .push_str(&format!(",throttling.bps-write={rate}"));
        self
    }

    /// A disk of `bytes` with an ext4 file system.
    pub fn ext4(path: &Path, bytes: u64) -> Result<Self> {
        let disk = Self::empty(path, bytes)?;
        output_of(
            Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-m", "0", "-L", "dumps"])
                // Initialised at once, so that no background writer disturbs a measurement.
                .args(["-E", "lazy_itable_init=0,lazy_journal_init=0"])
                .arg(path)
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
        )?;
        Ok(disk)
    }

    /// `length` bytes from `offset` of the disk.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Content of a file of the disk's ext4 file system. The guest must have unmounted it.
    pub fn read_ext4(&self, name: &str) -> Result<Vec<u8>> {
        let copy = tempfile::NamedTempFile::new_in(self.path.parent().unwrap_or(Path::new(".")))?;
        output_of(
            Command::new("debugfs")
                .arg("-R")
                .arg(format!("dump {name} {}", copy.path().display()))
                .arg(&self.path)
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
        )?;
        Ok(std::fs::read(copy.path())?)
    }
}
