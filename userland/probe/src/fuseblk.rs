// SPDX-License-Identifier: MIT
//! A dump to a file of a file system that a process of user space serves from a block device (`fuseblk`): as much of
//! the protocol of `linux/fuse.h` as that takes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::{ffi::CString, thread};

use clap::Args;
use nix::errno::Errno;

use crate::{errno_of, open};

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const WRITE: u32 = 16;
const INIT: u32 = 26;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const FORGET: u32 = 2;
const BATCH_FORGET: u32 = 42;

const IN_HEADER: usize = 40;
/// Node of the one file; the root is 1.
const FILE: u64 = 2;
const LENGTH: u64 = 1 << 20;

#[derive(Args)]
pub struct Fuseblk {
    node: PathBuf,
    disk: PathBuf,
    folder: PathBuf,
}

impl Fuseblk {
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(errno_of)?;
        let text = |path: &PathBuf| CString::new(path.as_os_str().as_bytes());
        let (disk, folder) = (text(&self.disk), text(&self.folder));
        let (disk, folder) = (
            disk.map_err(|_| Errno::EINVAL)?,
            folder.map_err(|_| Errno::EINVAL)?,
        );
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,blksize=512",
            device.as_raw_fd()
        );
        let options = CString::new(options).map_err(|_| Errno::EINVAL)?;
        // SAFETY: All arguments are strings.
        Errno::result(unsafe {
            libc::mount(
                disk.as_ptr(),
                folder.as_ptr(),
                c"fuseblk".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        })?;
        // Ends when the file system is unmounted.
        let server = thread::spawn(move || serve(device));
        let said = self.dump(&node);
        // SAFETY: The argument is a string.
        Errno::result(unsafe { libc::umount2(folder.as_ptr(), libc::MNT_DETACH) })?;
        let _ = server.join();
        said
    }

    fn dump(&self, node: &File) -> Result<String, Errno> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(self.folder.join("file"))
            .map_err(errno_of)?;
        let mut argument = resmem::abi::Transfer {
            fd: file.as_raw_fd(),
            length: 0x10000,
            ..Default::default()
        };
        // SAFETY: The node is one of the driver's, the argument is valid.
        unsafe { resmem::ioctl::dump(node.as_raw_fd(), &mut argument) }?;
        let (direct, copied) = (argument.direct, argument.copied);
        Ok(format!("direct={direct} copied={copied}"))
    }
}

/// Answers what the kernel asks until it asks no more.
fn serve(mut device: File) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length @ IN_HEADER..) = device.read(&mut request) {
        let request = &request[..length];
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
        let node = long(16);
        let answer = match word(4) {
            FORGET | BATCH_FORGET => continue,
            INIT => init(word(IN_HEADER), word(IN_HEADER + 4)),
            LOOKUP => [long_words(&[FILE, 0, 60, 60, 0]), attributes(FILE)].concat(),
            GETATTR => [long_words(&[60, 0]), attributes(node)].concat(),
            OPEN => long_words(&[1, 0]),
            // Behind the file's handle and the offset: so many bytes.
            WRITE => words(&[word(IN_HEADER + 16), 0]),
            RELEASE | FLUSH => Vec::new(),
            _ => {
                let _ = device.write(&header(0, -libc::ENOSYS, long(8)));
                continue;
            }
        };
        let answer = [header(answer.len(), 0, long(8)), answer].concat();
        let _ = device.write(&answer);
    }
}

fn header(length: usize, error: i32, unique: u64) -> Vec<u8> {
    let first = words(&[16 + length as u32, error as u32]);
    [first, long_words(&[unique])].concat()
}

/// Version, read-ahead, flags, two limits of 16 bits, most bytes of a write, and nothing else.
fn init(major: u32, minor: u32) -> Vec<u8> {
    let mut answer = words(&[major, minor.min(31), 0, 0, 0x000c_000c, 128 << 10, 1]);
    answer.resize(64, 0);
    answer
}

/// `struct fuse_attr` of a node.
fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = match node {
        FILE => (libc::S_IFREG | 0o600, LENGTH),
        _ => (libc::S_IFDIR | 0o700, 0),
    };
    let times = long_words(&[node, size, size / 512, 0, 0, 0]);
    let rest = words(&[0, 0, 0, mode, 1, 0, 0, 0, 512, 0]);
    [times, rest].concat()
}

fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect()
}

fn long_words(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect()
}
