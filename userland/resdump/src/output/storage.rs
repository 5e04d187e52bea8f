// SPDX-License-Identifier: MIT

//! Where the bytes of a file or block device really are: partitions lie on disks, device-mapper and
//! md devices on others, loop devices in files, files on the device of their file system.

use std::{
    fs,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::sys::stat::{major, makedev, minor};

/// Deepest stack that is followed: a loop in what sysfs says ends there.
const DEPTH_MAX: usize = 16;

/// Bytes of what sysfs calls a sector.
const SECTOR: u64 = 512;

/// Major number of RAM disks.
const RAMDISK_MAJOR: u64 = 1;

/// Something that holds bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// A regular file, and the block device that its file system is on, if there is one.
    File {
        dev: u64,
        ino: u64,
        device: Option<u64>,
    },
    /// A block device.
    Device(u64),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Device(one), Self::Device(two)) => one == two,
            (Self::File { dev, ino, .. }, Self::File { dev: d, ino: i, .. }) => {
                (dev, ino) == (d, i)
            }
            _ => false,
        }
    }
}

/// What a node lies on, and which bytes of that, where it is known.
type Below = (Node, Option<Range<u64>>);

/// What the kernel reports of block devices, in sysfs.
pub(super) struct Storage {
    sysfs: PathBuf,
}

impl Storage {
    /// Of this machine.
    pub(super) fn current() -> Self {
        Self {
            sysfs: "/sys".into(),
        }
    }

    /// Whether what is written to one of them may change bytes of the other.
    pub(super) fn overlap(&self, one: Node, other: Node) -> bool {
        let (ones, others) = (self.all_below(one, true), self.all_below(other, true));
        ones.contains(&other)
            || others.contains(&one)
            || self.undermines(one, other)
            || self.undermines(other, one)
            || self.share(&ones, &others)
    }

    /// Whether `raw`, a device, lies on the device of the file system that `file` is on: what is
    /// written to it does not go through that file system.
    fn undermines(&self, raw: Node, file: Node) -> bool {
        match (raw, file) {
            (
                Node::Device(_),
                Node::File {
                    device: Some(device),
                    ..
                },
            ) => self.all_below(raw, false).contains(&Node::Device(device)),
            _ => false,
        }
    }

    /// Whether two different nodes lie on the same bytes of a third.
    fn share(&self, ones: &[Node], others: &[Node]) -> bool {
        let ranges = |nodes: &[Node]| -> Vec<(Node, Node, Range<u64>)> {
            nodes
                .iter()
                .flat_map(|node| self.below(*node).into_iter().map(move |it| (*node, it)))
                .filter_map(|(node, (below, range))| Some((node, below, range?)))
                .collect()
        };
        let others = ranges(others);
        ranges(ones).iter().any(|(node, below, range)| {
            others.iter().any(|(other, lower, there)| {
                node != other
                    && below == lower
                    && range.start < there.end
                    && there.start < range.end
            })
        })
    }

    /// Whether what is written there is gone when the power is.
    pub(super) fn is_volatile(&self, device: u64) -> bool {
        let all = self.all_below(Node::Device(device), true);
        all.iter().any(|node| match node {
            Node::Device(device) => {
                major(*device) == RAMDISK_MAJOR
                    || fs::read_link(self.folder(*device)).is_ok_and(|folder| {
                        let name = folder.file_name().unwrap_or_default();
                        name.to_string_lossy().starts_with("zram")
                    })
            }
            Node::File { .. } => false,
        }) || self.backing_in_memory(&all)
    }

    /// The folder of the disk that a device is, or is a partition of.
    pub(super) fn disk(&self, device: u64) -> Option<PathBuf> {
        let folder = self.folder(device);
        let link = fs::read_link(&folder).ok()?;
        let disk = folder.parent()?.join(link);
        match disk.join("partition").exists() {
            true => disk.parent().map(Path::to_path_buf),
            false => Some(disk),
        }
    }

    /// The disk of a device, and of all that it lies on.
    pub(super) fn disks(&self, device: u64) -> Vec<PathBuf> {
        let mut disks = Vec::new();
        for node in self.all_below(Node::Device(device), true) {
            if let Node::Device(device) = node
                && let Some(disk) = self.disk(device)
                && !disks.contains(&disk)
            {
                disks.push(disk);
            }
        }
        disks
    }

    /// Whether one of the files that loop devices lie in is in memory.
    fn backing_in_memory(&self, nodes: &[Node]) -> bool {
        nodes.iter().any(|node| match node {
            Node::Device(device) => fs::read_to_string(self.folder(*device).join(BACKING))
                .ok()
                .and_then(|path| fs::File::open(path.trim_end()).ok())
                .is_some_and(|file| super::traits::of(&file).in_memory),
            Node::File { .. } => false,
        })
    }

    /// `node` and all that it lies on; files are looked through if `files` says so.
    fn all_below(&self, node: Node, files: bool) -> Vec<Node> {
        let mut all = vec![node];
        let mut edge = vec![node];
        for _ in 0..DEPTH_MAX {
            let next: Vec<Node> = edge
                .iter()
                .flat_map(|node| self.below(*node))
                .map(|(node, _)| node)
                .filter(|node| files || matches!(node, Node::Device(_)))
                .filter(|node| !all.contains(node))
                .collect();
            if next.is_empty() {
                break;
            }
            all.extend(&next);
            edge = next;
        }
        all
    }

    /// What `node` lies on.
    fn below(&self, node: Node) -> Vec<Below> {
        let device = match node {
            Node::File { device, .. } => {
                return device
                    .map(|device| (Node::Device(device), None))
                    .into_iter()
                    .collect();
            }
            Node::Device(device) => device,
        };
        let folder = self.folder(device);
        let mut all = Vec::new();
        if folder.join("partition").exists()
            && let Ok(folder) = fs::canonicalize(&folder)
            && let Some(disk) = folder.parent().and_then(number)
        {
            let range = value(&folder.join("start"))
                .zip(value(&folder.join("size")))
                .map(|(start, size)| span(start * SECTOR, size * SECTOR));
            all.push((Node::Device(disk), range));
        }
        if let Ok(slaves) = fs::read_dir(folder.join("slaves")) {
            all.extend(
                slaves
                    .flatten()
                    .filter_map(|slave| Some((Node::Device(number(&slave.path())?), None))),
            );
        }
        if let Some(file) = backing(&folder.join(BACKING)) {
            let start = value(&folder.join("loop/offset")).unwrap_or(0);
            let size = value(&folder.join("loop/sizelimit")).filter(|size| *size > 0);
            all.push((file, Some(span(start, size.unwrap_or(u64::MAX)))));
        }
        all
    }

    fn folder(&self, device: u64) -> PathBuf {
        self.sysfs
            .join(format!("dev/block/{}:{}", major(device), minor(device)))
    }
}

/// Where sysfs has the name of a loop device's file.
const BACKING: &str = "loop/backing_file";

fn span(start: u64, length: u64) -> Range<u64> {
    start..start.saturating_add(length)
}

/// The file that a loop device lies in.
fn backing(path: &Path) -> Option<Node> {
    let name = fs::read_to_string(path).ok()?;
    let metadata = fs::metadata(name.trim_end_matches('\n')).ok()?;
    if !metadata.is_file() {
        return Some(Node::Device(metadata.rdev()));
    }
    Some(Node::File {
        dev: metadata.dev(),
        ino: metadata.ino(),
        device: on_device(metadata.dev()),
    })
}

/// The block device of a file system with this number, if that is one's.
pub(super) fn on_device(dev: u64) -> Option<u64> {
    (major(dev) != 0).then_some(dev)
}

fn value(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number of the device that has this folder in sysfs.
fn number(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine with a disk of two partitions, LVM on the second, and loop devices.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.device("block/sda", 8, 0, &[]);
            machine.part("block/sda/sda1", 1, 8, 100);
            machine.part("block/sda/sda2", 2, 108, 100);
            // It begins within the second, as one of an older table may.
            machine.part("block/sda/sda3", 3, 200, 100);
            machine.device("block/dm-0", 253, 0, &["block/sda/sda2"]);
            machine.device("block/dm-1", 253, 1, &["block/sda/sda2"]);
            machine.device("block/dm-2", 253, 2, &["block/dm-1"]);
            machine.device("block/loop0", 7, 0, &[]);
            machine.device("block/loop1", 7, 1, &[]);
            machine.device("block/loop2", 7, 2, &[]);
            machine.device("block/zram0", 252, 0, &[]);
            for (name, offset, limit) in [("loop0", 0, 4096), ("loop1", 4096, 0), ("loop2", 0, 0)] {
                let folder = machine.0.path().join("block").join(name).join("loop");
                fs::create_dir(&folder).unwrap();
                let image = machine.0.path().join("image");
                fs::write(&image, "x").unwrap();
                fs::write(
                    folder.join("backing_file"),
                    format!("{}\n", image.display()),
                )
                .unwrap();
                fs::write(folder.join("offset"), format!("{offset}\n")).unwrap();
                fs::write(folder.join("sizelimit"), format!("{limit}\n")).unwrap();
            }
            machine
        }

        fn device(&self, name: &str, major: u64, minor: u64, slaves: &[&str]) {
            let folder = self.0.path().join(name);
            fs::create_dir_all(folder.join("slaves")).unwrap();
            fs::write(folder.join("dev"), format!("{major}:{minor}\n")).unwrap();
            for slave in slaves {
                let to = folder
                    .join("slaves")
                    .join(Path::new(slave).file_name().unwrap());
                symlink(self.0.path().join(slave), to).unwrap();
            }
            let numbers = self.0.path().join("dev/block");
            fs::create_dir_all(&numbers).unwrap();
            symlink(&folder, numbers.join(format!("{major}:{minor}"))).unwrap();
        }

        fn part(&self, name: &str, number: u64, start: u64, size: u64) {
            self.device(name, 8, number, &[]);
            let folder = self.0.path().join(name);
            for (file, value) in [("partition", number), ("start", start), ("size", size)] {
                fs::write(folder.join(file), format!("{value}\n")).unwrap();
            }
        }

        fn overlap(&self, one: Node, other: Node) -> bool {
            let storage = Storage {
                sysfs: self.0.path().into(),
            };
            let there = storage.overlap(one, other);
            assert_eq!(there, storage.overlap(other, one), "both ways");
            there
        }

        fn image(&self) -> Node {
            let metadata = fs::metadata(self.0.path().join("image")).unwrap();
            Node::File {
                dev: metadata.dev(),
                ino: metadata.ino(),
                device: None,
            }
        }
    }

    fn device(major: u64, minor: u64) -> Node {
        Node::Device(makedev(major, minor))
    }

    /// A file on the file system of a device.
    fn file(major: u64, minor: u64, ino: u64) -> Node {
        Node::File {
            dev: makedev(major, minor),
            ino,
            device: Some(makedev(major, minor)),
        }
    }

    #[test]
    fn the_same_bytes_under_any_name_overlap() {
        let machine = Machine::new();
        let disk = device(8, 0);
        for (one, other, there) in [
            (disk, disk, true),
            // A partition and its disk; two partitions, apart and not.
            (disk, device(8, 1), true),
            (device(8, 1), device(8, 2), false),
            (device(8, 2), device(8, 3), true),
            // Volumes and what they lie on.
            (device(253, 0), device(8, 2), true),
            (device(253, 0), disk, true),
            (device(253, 0), device(8, 1), false),
            (device(253, 0), device(253, 1), false),
            (device(253, 2), device(253, 1), true),
            (device(253, 2), disk, true),
            // Files and the disk under them.
            (file(8, 1, 5), disk, true),
            (file(8, 1, 5), device(8, 1), true),
            (file(8, 1, 5), device(8, 2), false),
            (file(253, 0, 5), disk, true),
            (file(253, 0, 5), device(253, 1), false),
            (file(8, 1, 5), file(8, 1, 5), true),
            (file(8, 1, 5), file(8, 1, 6), false),
            // A file system on the whole disk, under a partition that is left of an old table.
            (file(8, 0, 5), device(8, 1), true),
            // Loop devices, their file, and each other.
            (device(7, 0), machine.image(), true),
            (device(7, 0), device(7, 1), false),
            (device(7, 0), device(7, 2), true),
            (file(7, 0, 5), machine.image(), true),
            (file(7, 0, 5), device(7, 1), false),
            // One that nothing is known of.
            (device(9, 9), disk, false),
        ] {
            assert_eq!(machine.overlap(one, other), there, "{one:?} and {other:?}");
        }
    }

    #[test]
    fn ram_disks_are_memory() {
        let machine = Machine::new();
        let storage = Storage {
            sysfs: machine.0.path().into(),
        };
        for (major, minor, memory) in [(1, 0, true), (252, 0, true), (8, 1, false)] {
            assert_eq!(storage.is_volatile(makedev(major, minor)), memory);
        }
    }
}
