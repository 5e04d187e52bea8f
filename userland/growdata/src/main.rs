// SPDX-License-Identifier: MIT

//! Grows the last partition of a disk, and the ext4 file system on it, to the end of the disk, while
//! other partitions of it are in use.
//!
//! ```text
//! growdata partition /dev/vda3         the table, on the disk and in the kernel
//! growdata filesystem /dev/vda3 /data  the file system on it, which is mounted there
//! ```
//!
//! Either does nothing where nothing is to be gained: both can run at every start. A table takes one
//! sector, which is written at once; the file system is grown by the kernel, within its journal.
//! Exit status 0 when it is as large as can be, else 1.

mod mbr;
mod sys;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::mbr::MbrError;

const USAGE: &str = "usage: growdata partition DEVICE | growdata filesystem DEVICE MOUNTPOINT";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{USAGE}")]
    Usage,
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: {1}")]
    Call(String, nix::errno::Errno),
    #[error("{0}: not a partition")]
    NotAPartition(String),
    #[error("{0}: {1}")]
    Table(String, MbrError),
}

/// Names what an operation was about.
fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|error| Error::Io(path.display().to_string(), error))
}

/// A partition as the kernel sees it; sectors of 512 bytes.
struct Partition {
    disk: PathBuf,
    number: u8,
    start: u64,
    sectors: u64,
    disk_sectors: u64,
}

impl Partition {
    fn find(device: &Path) -> Result<Self, Error> {
        let unknown = || Error::NotAPartition(device.display().to_string());
        let name = device.file_name().ok_or_else(unknown)?;
        let folder = Path::new("/sys/class/block").join(name);
        let folder = at(&folder, fs::canonicalize(&folder))?;
        let disk = folder.parent().ok_or_else(unknown)?;
        let number = |file: PathBuf| -> Result<u64, Error> {
            let text = fs::read_to_string(file).map_err(|_| unknown())?;
            text.trim().parse().map_err(|_| unknown())
        };
        Ok(Self {
            number: number(folder.join("partition"))?
                .try_into()
                .map_err(|_| unknown())?,
            start: number(folder.join("start"))?,
            sectors: number(folder.join("size"))?,
            disk_sectors: number(disk.join("size"))?,
            disk: Path::new("/dev").join(disk.file_name().ok_or_else(unknown)?),
        })
    }
}

fn grow_partition(device: &Path) -> Result<(), Error> {
    let partition = Partition::find(device)?;
    let path = &partition.disk;
    let disk = at(path, OpenOptions::new().read(true).write(true).open(path))?;
    let mut sector = [0; mbr::SECTOR];
    at(path, disk.read_exact_at(&mut sector, 0))?;
    let sectors = mbr::grow(
        &mut sector,
        partition.number,
        partition.start,
        partition.disk_sectors,
    )
    .map_err(|error| Error::Table(path.display().to_string(), error))?;
    let Some(sectors) = sectors else {
        return Ok(());
    };
    at(path, disk.write_all_at(&sector, 0))?;
    at(path, disk.sync_all())?;
    sys::resize_partition(&disk, partition.number, partition.start, sectors)
        .map_err(|errno| Error::Call(path.display().to_string(), errno))?;
    println!(
        "growdata: {}: {} MiB instead of {}",
        device.display(),
        sectors >> 11,
        partition.sectors >> 11
    );
    Ok(())
}

fn grow_file_system(device: &Path, mount_point: &Path) -> Result<(), Error> {
    let partition = Partition::find(device)?;
    let folder = at(mount_point, File::open(mount_point))?;
    let failed = |errno| Error::Call(mount_point.display().to_string(), errno);
    let block = sys::block_size(&folder).map_err(failed)?;
    sys::resize_ext4(&folder, partition.sectors * 512 / block).map_err(failed)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["partition", device] => grow_partition(Path::new(device)),
        ["filesystem", device, point] => grow_file_system(Path::new(device), Path::new(point)),
        _ => Err(Error::Usage),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("growdata: {error}");
            ExitCode::FAILURE
        }
    }
}
