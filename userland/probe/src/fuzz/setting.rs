// SPDX-License-Identifier: MIT
//! What the guest has: regions, what is in them, and the places to dump to.

use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;
use resmem::abi;
use resmem::abi::RegionInfo;

use super::{pattern, sys};
use crate::errno_of;

/// Regions of this name are canaries: watched, and otherwise left alone.
pub const CANARY: &str = "canary";
const FOLDER: &str = "/dev/resmem";

/// A region.
pub struct Region {
    /// Its node.
    pub path: String,
    /// Its label.
    pub label: String,
    /// What the module says about it.
    pub info: RegionInfo,
    /// What is in it, if it is read-only and the host filled it.
    pub content: Option<Vec<u8>>,
}

/// Where things are.
pub struct Setting {
    /// Regions to work on.
    pub regions: Vec<Region>,
    /// Regions to watch.
    pub canaries: Vec<Region>,
    /// A disk that may be written to.
    pub disk: PathBuf,
    /// One that is too small.
    pub small: PathBuf,
    /// A folder of a file system with direct I/O.
    pub folder: PathBuf,
    /// The host has filled the regions, and the canaries.
    pub filled: bool,
    /// KiB that the kernel's own instruments may keep.
    pub kept: u64,
}

impl Region {
    fn new(label: String, filled: bool) -> Result<Self, Errno> {
        let path = format!("{FOLDER}/{label}");
        let fd = sys::open(&path, libc::O_RDONLY).map_err(Errno::from_raw)?;
        // SAFETY: Integers and arrays of integers: zeroes are a value.
        let mut info: RegionInfo = unsafe { std::mem::zeroed() };
        // SAFETY: The file is a node of the driver, `info` is valid.
        let told = unsafe { resmem::ioctl::info(fd, &mut info) };
        let _ = sys::close(fd);
        told?;
        let read_only = info.flags & abi::REGION_WRITABLE == 0;
        let content = (filled && read_only).then(|| pattern::region(&label, info.size as usize));
        Ok(Self {
            path,
            label,
            info,
            content,
        })
    }

    /// Whether it may be written to.
    pub fn writable(&self) -> bool {
        self.info.flags & abi::REGION_WRITABLE != 0
    }

    /// Whether bytes that are said to be those from `offset` on can be so.
    pub fn holds(&self, offset: u64, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let Some(end) = offset.checked_add(bytes.len() as u64) else {
            return false;
        };
        if end > self.info.size {
            return false;
        }
        match &self.content {
            Some(content) => content[offset as usize..end as usize] == *bytes,
            None => true,
        }
    }

    /// The same, as a violation that says what was seen.
    pub fn expect(
        &self,
        what: &str,
        offset: u64,
        bytes: &[u8],
        filled: bool,
    ) -> Result<(), String> {
        if self.holds(offset, bytes) && !(filled && pattern::is_foreign(bytes)) {
            return Ok(());
        }
        let at = bytes
            .iter()
            .zip(offset..)
            .position(|(byte, at)| !self.holds(at, &[*byte]) || byte & 0x80 != 0);
        let at = at.unwrap_or(0);
        Err(format!(
            "{what}: {} bytes of {} from {offset:#x}: byte {at:#x} is {:#04x}",
            bytes.len(),
            self.label,
            bytes.get(at).copied().unwrap_or(0)
        ))
    }
}

impl Setting {
    /// Looks at what is there.
    pub fn discover(
        disk: PathBuf,
        small: PathBuf,
        folder: PathBuf,
        filled: bool,
        kept: u64,
    ) -> Result<Self, Errno> {
        let entries = fs::read_dir(FOLDER).map_err(errno_of)?;
        let mut labels: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        labels.sort();
        let (mut regions, mut canaries) = (Vec::new(), Vec::new());
        for label in labels {
            let list = if label.starts_with(CANARY) {
                &mut canaries
            } else {
                &mut regions
            };
            list.push(Region::new(label, filled)?);
        }
        if regions.is_empty() {
            return Err(Errno::ENODEV);
        }
        Ok(Self {
            regions,
            canaries,
            disk,
            small,
            folder,
            filled,
            kept,
        })
    }

    /// Checks the whole content of regions and canaries.
    pub fn check(&self) -> Result<(), String> {
        if !self.filled {
            return Ok(());
        }
        for region in self.regions.iter().chain(&self.canaries) {
            let name = &region.label;
            let bytes = fs::read(&region.path).map_err(|error| format!("{name}: {error}"))?;
            if region.label.starts_with(CANARY) {
                if bytes != pattern::canary(name, bytes.len()) {
                    return Err(format!("{name} was written to"));
                }
            } else {
                region.expect("at the end", 0, &bytes, true)?;
            }
            if bytes.len() as u64 != region.info.size {
                return Err(format!("{name} has {} bytes", bytes.len()));
            }
        }
        Ok(())
    }
}
