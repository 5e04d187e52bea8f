// SPDX-License-Identifier: MIT

//! The system calls that no library has as safe functions.

use std::ffi::{c_int, c_long, c_longlong, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::from_mut;

use nix::errno::Errno;

/// `BLKPG_RESIZE_PARTITION` of linux/blkpg.h.
const RESIZE_PARTITION: c_int = 3;

/// `struct blkpg_partition`.
#[repr(C)]
struct BlkpgPartition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    unused: [u8; 128],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    operation: c_int,
    flags: c_int,
    length: c_int,
    data: *mut c_void,
}

nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), BlkpgArgument);
nix::ioctl_write_ptr!(ext4_resize, b'f', 16, u64);

/// Tells the kernel that a partition of `disk` has another size; in sectors of 512 bytes.
pub(crate) fn resize_partition(
    disk: &File,
    number: u8,
    start: u64,
    sectors: u64,
) -> Result<(), Errno> {
    let bytes = |sectors: u64| c_longlong::try_from(sectors * 512).map_err(|_| Errno::EOVERFLOW);
    let mut partition = BlkpgPartition {
        start: bytes(start)?,
        length: bytes(sectors)?,
        number: number.into(),
        unused: [0; 128],
    };
    let argument = BlkpgArgument {
        operation: RESIZE_PARTITION,
        flags: 0,
        length: size_of::<BlkpgPartition>() as c_int,
        data: from_mut(&mut partition).cast(),
    };
    // SAFETY: the descriptor is open, and both structures are what linux/blkpg.h says and outlive
    // the call, which only reads them.
    unsafe { blkpg(disk.as_raw_fd(), &argument) }?;
    Ok(())
}

/// Makes the mounted ext4 file system that `folder` is in have `blocks` blocks.
pub(crate) fn resize_ext4(folder: &File, blocks: u64) -> Result<(), Errno> {
    // SAFETY: the descriptor is open; the call reads one 64-bit number. Another file system's driver
    // does not know the number of the call, and says so.
    unsafe { ext4_resize(folder.as_raw_fd(), &blocks) }?;
    Ok(())
}

/// Block size of the file system that `folder` is in.
pub(crate) fn block_size(folder: &File) -> Result<u64, Errno> {
    let size: c_long = nix::sys::statfs::fstatfs(folder)?.block_size();
    match u64::try_from(size) {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(Errno::EINVAL),
    }
}
