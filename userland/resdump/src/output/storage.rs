// SPDX-License-Identifier: MIT

//! Where the bytes of a file or block device really are: partitions lie on disks, device-mapper and
//! md devices on others, loop devices in files, files on the device of their file system.

use std::{
    cell::RefCell,
    collections::BTreeMap,
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

/// Major numbers of RAM disks, and of loop devices.
const RAMDISK_MAJOR: u64 = 1;
const LOOP_MAJOR: u64 = 7;

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

/// What the kernel reports of block devices, in sysfs: of each it is looked up once.
pub(super) struct Storage {
    sysfs: PathBuf,
    known: RefCell<BTreeMap<u64, Device>>,
}

/// What there is to know of a block device.
#[derive(Clone, Default)]
struct Device {
    below: Vec<Below>,
    /// Of a loop device: the name of the file that it lies in.
    image: Option<PathBuf>,
}

impl Storage {
    /// Of this machine.
    pub(super) fn current() -> Self {
        Self::at("/sys".into())
    }

    fn at(sysfs: PathBuf) -> Self {
        Self {
            sysfs,
            known: RefCell::default(),
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

    /// Whether a device, or one that it lies on, is a RAM disk.
    pub(super) fn is_ram_disk(&self, device: u64) -> bool {
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
        })
    }

    /// Names of the files that loop devices lie in: a device and all that it lies on.
    pub(super) fn images(&self, device: u64) -> Vec<PathBuf> {
        let all = self.all_below(Node::Device(device), true);
        let image = |node: &Node| match node {
            Node::Device(device) => self.device(*device).image,
            Node::File { .. } => None,
        };
        all.iter().filter_map(image).collect()
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
        match node {
            Node::File { device, .. } => device
                .map(|device| (Node::Device(device), None))
                .into_iter()
                .collect(),
            Node::Device(device) => self.device(device).below,
        }
    }

    fn device(&self, device: u64) -> Device {
        let known = self.known.borrow().get(&device).cloned();
        known.unwrap_or_else(|| {
            let found = self.look_up(device);
            self.known.borrow_mut().insert(device, found.clone());
            found
        })
    }

    fn look_up(&self, device: u64) -> Device {
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
        let image = (major(device) == LOOP_MAJOR)
            .then(|| image(&folder))
            .flatten();
        if let Some(file) = image.as_deref().and_then(backing) {
            let start = value(&folder.join("loop/offset")).unwrap_or(0);
            let size = value(&folder.join("loop/sizelimit")).filter(|size| *size > 0);
            all.push((file, Some(span(start, size.unwrap_or(u64::MAX)))));
        }
        Device { below: all, image }
    }

    fn folder(&self, device: u64) -> PathBuf {
        self.sysfs
            .join(format!("dev/block/{}:{}", major(device), minor(device)))
    }
}

fn span(start: u64, length: u64) -> Range<u64> {
    start..start.saturating_add(length)
}

/// The name of the file that the loop device with this folder in sysfs lies in.
fn image(folder: &Path) -> Option<PathBuf> {
    let name = fs::read_to_string(folder.join("loop/backing_file")).ok()?;
    Some(name.trim_end_matches('\n').into())
}

/// What a loop device's image is.
fn backing(image: &Path) -> Option<Node> {
    let metadata = fs::metadata(image).ok()?;
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
mod tests;
