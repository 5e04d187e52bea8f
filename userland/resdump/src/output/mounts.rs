// SPDX-License-Identifier: MIT

//! What is mounted where.

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

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

/// A line of the kernel's table of mounts.
pub(super) struct Mount {
    /// Where it is.
    pub(super) point: PathBuf,
    /// Name of the file system.
    pub(super) kind: String,
    /// What is mounted: a device, if it is on one.
    pub(super) source: PathBuf,
    /// The file system's own options.
    options: String,
}

/// The mount that `file` was opened through.
pub(super) fn of(file: &File) -> Option<Mount> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    parse(&fs::read_to_string("/proc/self/mountinfo").ok()?, id.trim())
}

/// Where an overlay that `file` is on keeps what is written to it.
pub(super) fn upper_folder(file: &File) -> Option<PathBuf> {
    let mount = of(file).filter(|mount| mount.kind == "overlay")?;
    let upper = mount
        .options
        .split(',')
        .find_map(|option| option.strip_prefix("upperdir="))?;
    Some(upper.into())
}

fn parse(table: &str, id: &str) -> Option<Mount> {
    let line = table
        .lines()
        .find(|line| line.split(' ').next() == Some(id))?;
    let (place, what) = line.split_once(" - ")?;
    let mut what = what.split(' ');
    Some(Mount {
        point: unescape(place.split(' ').nth(4)?).into(),
        kind: what.next()?.into(),
        source: unescape(what.next()?).into(),
        options: unescape(what.next().unwrap_or_default()),
    })
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
    fn a_mount_is_found_by_its_number() {
        let mount = parse(TABLE, "30").unwrap();
        assert_eq!(mount.point, Path::new("/mnt/with blank"));
        assert_eq!(
            (mount.kind.as_str(), mount.source),
            ("ext4", "/dev/vdb".into())
        );
        assert!(parse(TABLE, "3").is_none());
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
