// SPDX-License-Identifier: MIT

//! What a file is, whatever it is called.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use nix::libc;

use super::{
    storage::{Node, Storage, on_device},
    traits,
};

/// What a file is, whatever it is called: links, bind mounts, other nodes of the same device, and
/// devices that lie on each other are seen through.
#[derive(Clone, Debug)]
pub struct Identity {
    what: What,
    /// Of a regular file that is read: the file.
    input: Option<Arc<File>>,
}

/// Between two looks whether a time stamp has moved, and how often: the kernel's clock ticks at 100 Hz
/// at least.
const TICK: Duration = Duration::from_millis(2);
const LOOKS_MAX: u32 = 50;

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

    /// As [`Identity::of`], for a file that is read: [`Identity::is_alias`] looks at it.
    pub fn of_input(file: &File) -> io::Result<Self> {
        let input = file.metadata()?.is_file().then(|| file.try_clone());
        Ok(Self {
            input: input.transpose()?.map(Arc::new),
            ..Self::of(file)?
        })
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
        let what = if kind.is_file() {
            What::Storage(Node::File { dev, ino, device })
        } else if kind.is_block_device() {
            What::Storage(Node::Device(metadata.rdev()))
        } else if kind.is_char_device() {
            What::Device(metadata.rdev())
        } else {
            What::Other(dev, ino)
        };
        Self { what, input: None }
    }

    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self.what, other.what) {
            (What::Storage(one), What::Storage(two)) => one == two,
            (What::Device(one), What::Device(two)) => one == two,
            (What::Other(dev, ino), What::Other(d, i)) => (dev, ino) == (d, i),
            _ => false,
        }
    }

    /// Whether what is written to one of them may change what is read from the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.what, other.what) {
            (What::Storage(one), What::Storage(two)) => Storage::current().overlap(one, two),
            _ => self.is(other),
        }
    }

    /// Whether the open `file` is this input by a name that another file system gives it: overlay, FUSE or
    /// NFS on the same machine. No number of theirs says so; but what sets a time of the one moves the time
    /// of the other. Nothing but the time of its last change of state is changed of `file`.
    pub(super) fn is_alias(&self, file: &File) -> bool {
        self.input
            .as_ref()
            .is_some_and(|input| moves_with(file, input).unwrap_or(false))
    }
}

/// Whether a change of `file` is one of `input`.
fn moves_with(file: &File, input: &File) -> io::Result<bool> {
    let changed = |of: &Metadata| (of.ctime(), of.ctime_nsec());
    let (ours, before) = (file.metadata()?, look_again(input)?);
    let is_like = ours.is_file()
        && (ours.len(), ours.mtime()) == (before.len(), before.mtime())
        && ours.len() > 0;
    if !is_like {
        return Ok(false);
    }
    for _ in 0..LOOKS_MAX {
        file.set_modified(ours.modified()?)?;
        if changed(&file.metadata()?) != changed(&ours) {
            break;
        }
        thread::sleep(TICK);
    }
    Ok(changed(&look_again(input)?) != changed(&before))
}

/// What is known of an open file now: a file server is asked when a file is opened.
fn look_again(file: &File) -> io::Result<Metadata> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .and_then(|again| again.metadata())
        .or_else(|_| file.metadata())
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
