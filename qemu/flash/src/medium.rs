// SPDX-License-Identifier: MIT
//! What a medium is, and what speaks against overwriting it.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{major, minor};

/// Bytes of a sector in the image's partition table.
const SECTOR: u64 = 512;

/// A disk, or a plain file in its place.
#[derive(Debug)]
pub struct Medium {
    path: PathBuf,
    bytes: u64,
    disk: Option<Disk>,
}

/// What the kernel says of a disk.
#[derive(Debug, PartialEq, Eq)]
struct Disk {
    model: String,
    removable: bool,
    /// Bytes of a sector, as the partition table counts them.
    sector: u64,
    /// Whether the kernel refuses to write to it.
    protected: bool,
    /// What uses it or a partition of it: mount points, swap, other block devices.
    users: Vec<String>,
}

impl Medium {
    /// Looks at a path, which must exist.
    pub fn inspect(path: &Path) -> Result<Self> {
        let data = fs::metadata(path).with_context(|| format!("no medium: {}", path.display()))?;
        if data.is_file() {
            return Ok(Self {
                path: path.to_path_buf(),
                bytes: data.len(),
                disk: None,
            });
        }
        if !data.file_type().is_block_device() {
            bail!("{} is neither a disk nor a plain file", path.display());
        }
        let number = format!("{}:{}", major(data.rdev()), minor(data.rdev()));
        let folder = fs::canonicalize(Path::new("/sys/dev/block").join(number))?;
        if folder.join("partition").exists() {
            bail!(
                "{} is a partition: the image is for a whole disk",
                path.display()
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        let sectors: u64 = read(&folder, "size").parse().context("a disk's size")?;
        Ok(Self {
            path: path.to_path_buf(),
            bytes: sectors * SECTOR,
            disk: Some(Disk::read(&folder, &mounts, &swaps)?),
        })
    }

    /// Last part of its path, what a person types to confirm.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether it is a disk.
    pub fn is_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Reasons not to write an image of `bytes` to it; `force` is for disks that cannot be removed.
    pub fn refusals(&self, bytes: u64, force: bool) -> Vec<String> {
        let mut refusals = Vec::new();
        if self.bytes < bytes {
            refusals.push(format!(
                "smaller than the image: {} bytes instead of {bytes}",
                self.bytes
            ));
        }
        let Some(disk) = &self.disk else {
            return refusals;
        };
        if disk.users.iter().any(|user| user == "mounted on /") {
            refusals.push("the system runs from it".to_owned());
        }
        if !disk.users.is_empty() {
            refusals.push(format!("in use: {}", disk.users.join(", ")));
        }
        if disk.protected {
            refusals.push("write-protected: move the switch of the card or reader".to_owned());
        }
        if disk.sector != SECTOR {
            refusals.push(format!(
                "its sectors have {} bytes: the image's partition table counts in {SECTOR}, take another medium",
                disk.sector
            ));
        }
        if !disk.removable && !force {
            refusals.push("not a removable medium: FORCE=1 if it is meant".to_owned());
        }
        refusals
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format!("{} bytes ({:.1} GB)", self.bytes, self.bytes as f64 / 1e9);
        let path = self.path.display();
        match &self.disk {
            None => write!(formatter, "{path}: a plain file, {size}"),
            Some(disk) => write!(
                formatter,
                "{path}: {}, {size}, {}",
                disk.model,
                if disk.removable {
                    "removable"
                } else {
                    "not removable"
                }
            ),
        }
    }
}

impl Disk {
    /// Reads the folder of a disk below /sys/devices, with the kernel's tables of mounts and swap.
    fn read(folder: &Path, mounts: &str, swaps: &str) -> Result<Self> {
        let mut parts = vec![folder.to_path_buf()];
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join("partition").exists() {
                parts.push(path);
            }
        }
        parts.sort();
        let mut users = Vec::new();
        for part in parts {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            let (number, node) = (read(&part, "dev"), format!("/dev/{name}"));
            for line in mounts.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let source = words.iter().skip_while(|word| **word != "-").nth(2);
                if words.get(2) == Some(&number.as_str()) || source == Some(&node.as_str()) {
                    users.push(format!("mounted on {}", words.get(4).unwrap_or(&"?")));
                }
            }
            if swaps
                .lines()
                .any(|line| line.split_whitespace().next() == Some(&node))
            {
                users.push(format!("{name} is swap"));
            }
            for holder in fs::read_dir(part.join("holders")).into_iter().flatten() {
                users.push(format!(
                    "{name} is part of {}",
                    holder?.file_name().display()
                ));
            }
        }
        let model = match [read(folder, "device/model"), read(folder, "device/name")] {
            [model, _] if !model.is_empty() => model,
            [_, name] if !name.is_empty() => name,
            _ => "no model name".to_owned(),
        };
        // Card readers on the board's own controller and USB disks do not say that they can be
        // removed.
        let removable = read(folder, "removable") == "1"
            || read(folder, "device/type") == "SD"
            || folder
                .iter()
                .any(|part| part.to_string_lossy().starts_with("usb"));
        Ok(Self {
            model,
            removable,
            // Sysfs counts in sectors of 512 bytes whatever the disk's are.
            sector: read(folder, "queue/logical_block_size")
                .parse()
                .unwrap_or(SECTOR),
            protected: read(folder, "ro") == "1",
            users,
        })
    }
}

/// First line of a file of sysfs, empty if there is none.
fn read(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with a partition, as sysfs shows it.
    fn disk(files: &[(&str, &str)], mounts: &str, swaps: &str) -> Disk {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("sdx");
        let common = [
            ("dev", "8:16"),
            ("sdx1/dev", "8:17"),
            ("sdx1/partition", "1"),
        ];
        for (name, text) in common.iter().chain(files) {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        Disk::read(&folder, mounts, swaps).unwrap()
    }

    fn refusals(disk: Disk, force: bool) -> String {
        let medium = Medium {
            path: "/dev/sdx".into(),
            bytes: 1000,
            disk: Some(disk),
        };
        medium.refusals(1000, force).join("; ")
    }

    const REMOVABLE: (&str, &str) = ("removable", "1");

    #[test]
    fn a_removable_disk_that_is_not_in_use_is_taken() {
        let mounts = "22 1 254:1 / / rw - ext4 /dev/vda1 rw";
        let model = ("device/model", "Card Reader  ");
        let found = disk(&[REMOVABLE, model], mounts, "Filename Type\n");
        assert_eq!(found.model, "Card Reader");
        assert_eq!(refusals(found, false), "");
    }

    #[test]
    fn a_disk_with_a_mounted_partition_is_refused_whatever_is_forced() {
        let mounts = "22 1 8:17 / /media/x rw shared:1 - ext4 /dev/sdx1 rw";
        let found = refusals(disk(&[REMOVABLE], mounts, ""), true);
        assert_eq!(found, "in use: mounted on /media/x");
    }

    #[test]
    fn the_systems_disk_is_refused_whatever_is_forced() {
        // As for file systems that span devices: only the source says so.
        let mounts = "22 1 0:30 / / rw - btrfs /dev/sdx1 rw";
        let found = refusals(disk(&[REMOVABLE], mounts, ""), true);
        assert!(found.starts_with("the system runs from it"), "{found}");
    }

    #[test]
    fn a_disk_with_swap_or_under_another_device_is_refused() {
        let swaps = "Filename Type\n/dev/sdx1 partition 1 0 -2\n";
        let found = refusals(disk(&[REMOVABLE], "", swaps), true);
        assert_eq!(found, "in use: sdx1 is swap");
        let held = [REMOVABLE, ("sdx1/holders/dm-0", "")];
        let found = refusals(disk(&held, "", ""), true);
        assert_eq!(found, "in use: sdx1 is part of dm-0");
    }

    #[test]
    fn a_fixed_disk_has_to_be_forced() {
        let fixed = [("removable", "0")];
        assert!(refusals(disk(&fixed, "", ""), false).contains("FORCE=1"));
        assert_eq!(refusals(disk(&fixed, "", ""), true), "");
    }

    #[test]
    fn a_medium_that_is_write_protected_is_named_as_that() {
        let found = refusals(disk(&[REMOVABLE, ("ro", "1")], "", ""), true);
        assert!(found.starts_with("write-protected"), "{found}");
        assert_eq!(refusals(disk(&[REMOVABLE, ("ro", "0")], "", ""), false), "");
    }

    #[test]
    fn a_medium_with_other_sectors_than_the_partition_tables_is_refused() {
        let sectors = |bytes| [REMOVABLE, ("queue/logical_block_size", bytes)];
        let found = refusals(disk(&sectors("4096"), "", ""), true);
        assert!(found.starts_with("its sectors have 4096 bytes"), "{found}");
        assert_eq!(refusals(disk(&sectors("512"), "", ""), false), "");
    }

    #[test]
    fn an_sd_card_on_the_boards_own_controller_is_removable() {
        let card = [
            ("removable", "0"),
            ("device/type", "SD"),
            ("device/name", "SC16G"),
        ];
        let found = disk(&card, "", "");
        assert_eq!((found.model.as_str(), found.removable), ("SC16G", true));
    }
}
