// SPDX-License-Identifier: MIT

//! What a file is, whatever it is called.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::libc;

use super::{
    storage::{Node, Storage, on_device},
    traits,
};

/// What a file is, whatever it is called: links, bind mounts, other nodes of the same device, and
/// devices that lie on each other are seen through.
#[derive(Clone, Copy, Debug)]
pub struct Identity(What);

#[derive(Clone, Copy, Debug)]
enum What {
    Storage(Node),
    /// A character device.
    Device(u64),
    /// A pipe or socket.
    Other(u64, u64),
}

impl Identity {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let device = match metadata.is_file() {
            true => traits::device_of(file),
            false => None,
        };
        Ok(Self::new(&metadata, device))
    }

    /// Of what `path` names, links being followed. Nothing is opened but regular files.
    pub fn named(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Ok(Self::new(&metadata, None));
        }
        // Without any right to the content.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path);
        match opened {
            Ok(file) => Self::of(&file),
            Err(_) => Ok(Self::new(&metadata, on_device(metadata.dev()))),
        }
    }

    fn new(metadata: &Metadata, device: Option<u64>) -> Self {
        let kind = metadata.file_type();
        let (dev, ino) = (metadata.dev(), metadata.ino());
        Self(if kind.is_file() {
            What::Storage(Node::File { dev, ino, device })
        } else if kind.is_block_device() {
            What::Storage(Node::Device(metadata.rdev()))
        } else if kind.is_char_device() {
            What::Device(metadata.rdev())
        } else {
            What::Other(dev, ino)
        })
    }

    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (What::Storage(one), What::Storage(two)) => one == two,
            (What::Device(one), What::Device(two)) => one == two,
            (What::Other(dev, ino), What::Other(d, i)) => (dev, ino) == (d, i),
            _ => false,
        }
    }

    /// Whether what is written to one of them may change what is read from the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (What::Storage(one), What::Storage(two)) => Storage::current().overlap(one, two),
            _ => self.is(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn links_of_both_kinds_are_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "a").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink("a", path("soft")).unwrap();
        let named = |name| Identity::named(&path(name)).unwrap();
        for (name, same) in [("a", true), ("hard", true), ("soft", true), ("b", false)] {
            assert_eq!(named("a").overlaps(&named(name)), same, "{name}");
            assert_eq!(named("a").is(&named(name)), same, "{name}");
        }
        let null = Identity::named(Path::new("/dev/null")).unwrap();
        assert!(null.is(&null) && !null.overlaps(&named("a")));
        let open = Identity::of(&File::open(path("hard")).unwrap()).unwrap();
        assert!(open.overlaps(&named("soft")));
    }
}
