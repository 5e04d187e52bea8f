// SPDX-License-Identifier: MIT

//! How much a disk takes in one request: the limits of its queue, as sysfs has them.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use resmem::abi::CHUNK_MAX;
use serde::Serialize;

use super::{
    folder,
    storage::{Storage, on_device},
};
use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    signals::{self, AtOnce},
};

/// The file of the limit that a user with the right to do so can change.
const LIMIT: &str = "max_sectors_kb";

/// The limits of a disk's queue, named as in sysfs.
#[derive(Clone, Debug, Serialize)]
pub struct Queue {
    /// The disk's name.
    pub disk: String,
    /// Most KiB of a request.
    pub max_sectors_kb: u64,
    /// The same, of the hardware and its driver.
    pub max_hw_sectors_kb: u64,
    /// Most pieces of memory of a request.
    pub max_segments: u64,
    /// Most bytes of such a piece.
    pub max_segment_size: u64,
    /// Requests that can be in flight.
    pub nr_requests: u64,
    /// Whether the disk is one of magnetic plates, as far as the kernel knows.
    pub rotational: bool,
}

impl Queue {
    /// Of the disk that `path` is or lies on, or its folder if nothing has that name. `None` where no single
    /// disk is known, as on a network.
    pub fn of(path: &Path) -> Option<Self> {
        Self::read(&Storage::current().disk(device(path)?)?)
    }

    fn read(disk: &Path) -> Option<Self> {
        let value = |name| number(&disk.join("queue").join(name));
        Some(Self {
            disk: disk.file_name()?.to_string_lossy().into(),
            max_sectors_kb: value(LIMIT)?,
            max_hw_sectors_kb: value("max_hw_sectors_kb")?,
            max_segments: value("max_segments")?,
            max_segment_size: value("max_segment_size")?,
            nr_requests: value("nr_requests")?,
            rotational: value("rotational")? != 0,
        })
    }

    /// Bytes of a request from contiguous memory: what the queue takes now, and what is ever asked of it.
    pub fn request(&self) -> u64 {
        self.bytes(self.max_sectors_kb)
    }

    /// The same with the largest `max_sectors_kb`.
    pub fn possible(&self) -> u64 {
        self.bytes(self.max_hw_sectors_kb)
    }

    fn bytes(&self, kib: u64) -> u64 {
        let segments = self.max_segments.saturating_mul(self.max_segment_size);
        let most = segments.min(u64::from(CHUNK_MAX));
        kib.saturating_mul(1024).min(most).max(512)
    }

    /// A line for people: what a request is, what it could be, and what binds it.
    pub fn describe(&self) -> String {
        let (now, possible) = (self.request() >> 10, self.possible() >> 10);
        let limits = format!(
            "hardware {} KiB, {} segments of {} bytes, {} requests",
            self.max_hw_sectors_kb, self.max_segments, self.max_segment_size, self.nr_requests
        );
        match now < possible {
            true => format!(
                "{now} KiB each, {:.0} times as many as with {possible}: --tune, or write {possible} to \
                 /sys/block/{}/queue/{LIMIT} ({limits})",
                possible as f64 / now as f64,
                self.disk
            ),
            false => format!("{now} KiB each, no disk limit below that is in the way ({limits})"),
        }
    }
}

/// The device that is, or that the file or its folder lies on.
fn device(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).or_else(|_| fs::metadata(folder::of(path)));
    let metadata = metadata.ok()?;
    match metadata.file_type().is_block_device() {
        true => Some(metadata.rdev()),
        false => on_device(metadata.dev()),
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Queues whose requests are as large as their hardware takes, until this is dropped or the program ends at once.
#[derive(Debug)]
pub struct Tuned {
    _raised: Vec<Raised>,
}

/// A queue's limit, put back when this is dropped.
#[derive(Debug)]
struct Raised {
    file: PathBuf,
    before: u64,
    raised: u64,
    _at_once: AtOnce,
}

impl Tuned {
    /// Raises the limit of the disk that `path` is or lies on, and of those below that. Waits for requests that
    /// are in flight there.
    pub fn raise(path: &Path) -> Result<Self> {
        let disks = device(path).map_or_else(Vec::new, |device| Storage::current().disks(device));
        if disks.is_empty() {
            return Err(Error::new(
                ExitCode::Target,
                "no queue to tune",
                path.display(),
                Errno::ENOTBLK,
                "it is not on a disk of this machine: leave out --tune",
            ));
        }
        // From the lowest on: what lies on it may not have larger requests.
        let raised = disks.iter().rev().map(|disk| Raised::raise(disk));
        Ok(Self {
            _raised: raised
                .filter_map(Result::transpose)
                .collect::<Result<_>>()?,
        })
    }
}

impl Raised {
    /// `None` if there is nothing to gain.
    fn raise(disk: &Path) -> Result<Option<Self>> {
        let file = disk.join("queue").join(LIMIT);
        let Some(queue) = Queue::read(disk) else {
            return Ok(None);
        };
        let most = queue.max_hw_sectors_kb.min(u64::from(CHUNK_MAX) >> 10);
        if most <= queue.max_sectors_kb {
            return Ok(None);
        }
        let before = queue.max_sectors_kb;
        let at_once = {
            let file = file.clone();
            signals::at_once(move || put_back(&file, most, before))
        };
        write(&file, most).map_err(|error| {
            Error::during(Doing::OpenTarget, "cannot tune", file.display(), &error)
        })?;
        log::info!("{}: {LIMIT} {before} -> {most}", queue.disk);
        Ok(Some(Self {
            file,
            before,
            raised: most,
            _at_once: at_once,
        }))
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        put_back(&self.file, self.raised, self.before);
    }
}

/// Undoes it, unless the limit has been changed by another program meanwhile.
fn put_back(file: &Path, raised: u64, before: u64) {
    if number(file) == Some(raised)
        && let Err(error) = write(file, before)
    {
        log::warn!("{}: not put back to {before}: {error}", file.display());
    }
}

fn write(file: &Path, kib: u64) -> io::Result<()> {
    fs::write(file, kib.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sectors: u64, hardware: u64, segments: u64, size: u64) -> Queue {
        Queue {
            disk: "sda".into(),
            max_sectors_kb: sectors,
            max_hw_sectors_kb: hardware,
            max_segments: segments,
            max_segment_size: size,
            nr_requests: 64,
            rotational: true,
        }
    }

    #[test]
    fn the_smallest_limit_binds() {
        for (queue, now, possible) in [
            (
                queue(4096, 2_147_483_647, 254, u32::MAX.into()),
                4 << 20,
                64 << 20,
            ),
            (queue(1280, 32_767, 168, 65_536), 1280 << 10, 168 << 16),
            (queue(120, 120, 2048, u32::MAX.into()), 120 << 10, 120 << 10),
        ] {
            assert_eq!((queue.request(), queue.possible()), (now, possible));
        }
    }

    #[test]
    fn what_could_be_gained_is_said() {
        let text = queue(1280, 32_767, 168, 65_536).describe();
        assert!(text.contains("1280 KiB") && text.contains("10752") && text.contains("8 times"));
        let text = queue(120, 120, 2048, 4096).describe();
        assert!(!text.contains("--tune"), "{text}");
    }

    /// A folder as sysfs has one.
    fn sysfs(limit: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("queue")).unwrap();
        for (name, value) in [
            (LIMIT, limit),
            ("max_hw_sectors_kb", "2147483647"),
            ("max_segments", "254"),
            ("max_segment_size", "4294967295"),
            ("nr_requests", "256"),
            ("rotational", "0"),
        ] {
            fs::write(folder.path().join("queue").join(name), format!("{value}\n")).unwrap();
        }
        folder
    }

    #[test]
    fn a_raised_limit_is_put_back_unless_another_has_changed_it() {
        let folder = sysfs("4096");
        let disk = folder.path();
        let file = disk.join("queue").join(LIMIT);
        let limit = || number(&file).unwrap();
        let raised = Raised::raise(disk).unwrap();
        assert_eq!(limit(), u64::from(CHUNK_MAX) >> 10);
        assert!(Raised::raise(disk).unwrap().is_none(), "it is raised");
        drop(raised);
        assert_eq!(limit(), 4096);
        let raised = Raised::raise(disk).unwrap();
        fs::write(&file, "1280").unwrap();
        drop(raised);
        assert_eq!(limit(), 1280);
    }

    #[test]
    fn what_is_on_no_disk_has_no_queue() {
        assert!(Queue::of(Path::new("/proc/self")).is_none());
        let error = Tuned::raise(Path::new("/proc/self")).unwrap_err();
        assert_eq!(error.code, ExitCode::Target);
    }
}
