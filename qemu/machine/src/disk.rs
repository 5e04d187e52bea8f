// SPDX-License-Identifier: MIT
//! Disks of a guest: sparse files on the host, empty or with an ext4 file system.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use host::command::{output, output_of};

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The file that holds it, raw.
    pub path: PathBuf,
    /// Where in the file it begins: not 0 for a partition.
    pub offset: u64,
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
            offset: 0,
            options: String::new(),
        })
    }

    /// A disk of `bytes` that forgets what it is given: for counting what the guest does.
    pub fn forgetful(bytes: u64) -> Self {
        Self {
            path: "null-co://".into(),
            offset: 0,
            options: format!(",file.size={bytes}"),
        }
    }

    /// A copy of a disk image on a larger medium of `bytes`.
    pub fn image(path: &Path, image: &Path, bytes: u64) -> Result<Self> {
        fs::copy(image, path).with_context(|| format!("cannot copy {}", image.display()))?;
        File::options().write(true).open(path)?.set_len(bytes)?;
        Ok(Self {
            path: path.to_path_buf(),
            offset: 0,
            options: String::new(),
        })
    }

    /// A partition of the disk, from 1, as its master boot record has it now.
    pub fn partition(&self, number: usize) -> Result<Self> {
        let record = self.read(0, 512)?;
        let entry = record
            .get(446 + 16 * (number - 1)..446 + 16 * number)
            .context("the disk is shorter than a master boot record")?;
        let first = u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]);
        ensure!(
            first != 0,
            "{} has no partition {number}",
            self.path.display()
        );
        Ok(Self {
            offset: u64::from(first) * 512,
            ..self.clone()
        })
    }

    /// The disk signature of its master boot record, as in `PARTUUID=<signature>-<partition>`.
    pub fn signature(&self) -> Result<String> {
        let bytes = self.read(440, 4)?;
        Ok(bytes
            .iter()
            .rev()
            .map(|byte| format!("{byte:02x}"))
            .collect())
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

    /// The same disk, that gives no more than `rate` bytes per second.
    pub fn slow_to_read(mut self, rate: u64) -> Self {
        self.options
            .push_str(&format!(",throttling.bps-read={rate}"));
        self
    }

    /// A disk of `bytes` with an ext4 file system.
    pub fn ext4(path: &Path, bytes: u64) -> Result<Self> {
        Self::ext4_with(path, bytes, &[])
    }

    /// The same, with more options of `mke2fs`.
    pub fn ext4_with(path: &Path, bytes: u64, options: &[&str]) -> Result<Self> {
        let disk = Self::empty(path, bytes)?;
        output_of(
            Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-m", "0", "-L", "dumps"])
                // Initialised at once, so that no background writer disturbs a measurement.
                .args(["-E", "lazy_itable_init=0,lazy_journal_init=0"])
                .args(options)
                .arg(path)
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
        )?;
        Ok(disk)
    }

    /// `length` bytes from `offset` of the disk.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset + offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes from `offset` of the disk, which no guest may have.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut file = File::options().write(true).open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset + offset))?;
        file.write_all(bytes)?;
        Ok(())
    }

    /// Content of a file of the disk's ext4 file system. The guest must have unmounted it.
    pub fn read_ext4(&self, name: &str) -> Result<Vec<u8>> {
        let copy = tempfile::NamedTempFile::new_in(self.path.parent().unwrap_or(Path::new(".")))?;
        self.debugfs(&format!("dump {name} {}", copy.path().display()))?;
        Ok(fs::read(copy.path())?)
    }

    /// Names in a folder of the disk's ext4 file system. The guest must have unmounted it.
    pub fn list_ext4(&self, folder: &str) -> Result<Vec<String>> {
        // A line for each: /inode/mode/user/group/name/size/
        let text = self.debugfs(&format!("ls -p {folder}"))?;
        let names = text.lines().filter_map(|line| line.split('/').nth(5));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Where on the disk a byte of a file of its ext4 file system is. The guest must have unmounted
    /// it.
    pub fn place_of(&self, name: &str, byte: u64) -> Result<u64> {
        // The superblock begins at byte 1024 and has the size of a block at its byte 24.
        let size = self.read(1024 + 24, 1)?;
        let size = 1024 << size.first().context("no superblock")?;
        let text = self.debugfs(&format!("bmap {name} {}", byte / size))?;
        let block: u64 = text
            .parse()
            .with_context(|| format!("debugfs says {text:?}"))?;
        ensure!(block > 0, "{name} has a hole at byte {byte}");
        Ok(block * size + byte % size)
    }

    /// Checks its ext4 file system, that no guest has mounted, and mends what a journal and a mark of
    /// an error ask for; more than that is an error.
    pub fn check(&self) -> Result<()> {
        let mut fsck = Command::new("e2fsck");
        fsck.arg("-fp")
            .arg(&self.path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        let output = output(&mut fsck)?;
        // 1: errors were corrected.
        ensure!(
            matches!(output.status.code(), Some(0 | 1)),
            "e2fsck ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }

    fn debugfs(&self, request: &str) -> Result<String> {
        output_of(
            Command::new("debugfs")
                .args(["-R", request])
                .arg(format!("{}?offset={}", self.path.display(), self.offset))
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_where_the_record_says() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("disk.img");
        let mut bytes = vec![0; 8192];
        bytes[440..444].copy_from_slice(&0x5245_0001_u32.to_le_bytes());
        bytes[446 + 16 + 8] = 9;
        bytes[9 * 512..][..5].copy_from_slice(b"hello");
        fs::write(&path, bytes).unwrap();
        let disk = Disk::image(&scratch.path().join("copy.img"), &path, 16384).unwrap();
        assert_eq!(disk.signature().unwrap(), "52450001");
        let second = disk.partition(2).unwrap();
        assert_eq!(second.read(0, 5).unwrap(), b"hello");
        assert!(disk.partition(1).is_err());
        assert_eq!(disk.read(0, 1 << 20).unwrap().len(), 16384);
    }
}
