// SPDX-License-Identifier: MIT

//! Where a block device is mounted, to tell a person.

use std::{fs, path::Path};

use nix::sys::stat::{major, minor};

/// The first mount point of the device with number `rdev`, or of one of its partitions.
pub(super) fn mounted_at(rdev: u64) -> Option<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let device = format!("{}:{}", major(rdev), minor(rdev));
    let partitions = partitions(&Path::new("/sys/dev/block").join(&device));
    std::iter::once(&device)
        .chain(&partitions)
        .find_map(|device| find(&table, device))
}

/// The numbers of the partitions of a device, from its folder in sysfs.
fn partitions(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("partition").exists())
        .filter_map(|entry| fs::read_to_string(entry.path().join("dev")).ok())
        .map(|number| number.trim().to_string())
        .collect()
}

fn find(table: &str, wanted: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(2);
        (fields.next()? == wanted).then_some(())?;
        fields.nth(1).map(unescape)
    })
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_string(), |text, (code, character)| {
        text.replace(code, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 254:16 / /mnt/with\\040blank rw,relatime - ext4 /dev/vdb rw
31 22 0:5 / /dev rw - devtmpfs devtmpfs rw
";

    #[test]
    fn a_mounted_device_is_found_by_number() {
        assert_eq!(find(TABLE, "254:0").as_deref(), Some("/"));
        assert_eq!(find(TABLE, "254:16").as_deref(), Some("/mnt/with blank"));
    }

    #[test]
    fn others_are_not() {
        assert_eq!(find(TABLE, "254:1"), None);
        assert_eq!(find(TABLE, "25:40"), None);
        assert_eq!(find("", "254:0"), None);
    }

    #[test]
    fn partitions_are_what_sysfs_calls_so() {
        let folder = tempfile::tempdir().unwrap();
        for (name, file) in [("vda1", "partition"), ("vda2", "partition"), ("queue", "x")] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(file), "1\n").unwrap();
            fs::write(path.join("dev"), format!("254:{}\n", name.len())).unwrap();
        }
        assert_eq!(partitions(folder.path()), ["254:4", "254:4"]);
        assert!(partitions(&folder.path().join("none")).is_empty());
    }
}
