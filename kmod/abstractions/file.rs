// SPDX-License-Identifier: GPL-2.0

//! What can be asked of an open file: how it was opened, what it is, and what direct I/O on it needs.
//!
//! No lock is taken here, but by the file system that [`direct_io`] asks.

use kernel::{
    bindings,
    error::to_result,
    fs::LocalFile,
    prelude::*, //
};

use super::ffi;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    BlockDevice,
    Other,
}

/// What a file system says of direct I/O on a file of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectIo {
    /// Multiples, in bytes, that memory addresses, and offsets and lengths of writes and of reads must be of.
    Aligned { memory: u32, write: u32, read: u32 },
    /// It says nothing. It lies on a block device and has blocks of so many bytes.
    Unknown { block: u32 },
    /// It says nothing, and lies on no block device, or has a process of user space write to it (FUSE).
    Elsewhere,
}

/// Whether the file was opened for reading.
pub(crate) fn opened_for_reading(file: &LocalFile) -> bool {
    mode(file) & ffi::RESMEM_FMODE_READ != 0
}

/// Whether the file was opened for writing.
pub(crate) fn opened_for_writing(file: &LocalFile) -> bool {
    mode(file) & ffi::RESMEM_FMODE_WRITE != 0
}

/// Whether the file has a position.
pub(crate) fn can_seek(file: &LocalFile) -> bool {
    mode(file) & ffi::RESMEM_FMODE_LSEEK != 0
}

/// Whether the file may be opened with `O_DIRECT`.
pub(crate) fn can_do_direct_io(file: &LocalFile) -> bool {
    mode(file) & ffi::RESMEM_FMODE_CAN_ODIRECT != 0
}

fn mode(file: &LocalFile) -> u32 {
    // SAFETY: The mode of a file is set once, at open.
    unsafe { (*file.as_ptr()).f_mode }
}

/// What the file is.
pub(crate) fn kind(file: &LocalFile) -> Kind {
    // SAFETY: An open file has an inode, whose type does not change.
    let mode = unsafe { (*(*file.as_ptr()).f_inode).i_mode };
    match u32::from(mode) & bindings::S_IFMT {
        bindings::S_IFREG => Kind::Regular,
        bindings::S_IFBLK => Kind::BlockDevice,
        _ => Kind::Other,
    }
}

/// Asks what `statx(STATX_DIOALIGN)` would answer. May sleep. Errors are the file system's.
pub(crate) fn direct_io(file: &LocalFile) -> Result<DirectIo> {
    let mut stat: bindings::kstat = pin_init::zeroed();
    let request = bindings::STATX_DIOALIGN | bindings::STATX_DIO_READ_ALIGN;
    // SAFETY: An open file has a path; `stat` is ours.
    to_result(unsafe {
        bindings::vfs_getattr(
            &raw const (*file.as_ptr()).__bindgen_anon_1.f_path,
            &mut stat,
            request,
            0,
        )
    })?;
    if stat.result_mask & bindings::STATX_DIOALIGN != 0 {
        let mut read = stat.dio_offset_align;
        if stat.result_mask & bindings::STATX_DIO_READ_ALIGN != 0 {
            read = stat.dio_read_offset_align.max(read);
        }
        return Ok(DirectIo::Aligned {
            memory: stat.dio_mem_align,
            write: stat.dio_offset_align,
            read,
        });
    }
    // SAFETY: An open file has an inode and a superblock; what is read does not change while the file
    // is in use.
    let (bits, device, magic) = unsafe {
        let inode = (*file.as_ptr()).f_inode;
        let superblock = (*inode).i_sb;
        (
            (*inode).i_blkbits,
            (*superblock).s_bdev,
            (*superblock).s_magic,
        )
    };
    if device.is_null() || magic == ffi::RESMEM_FUSE_SUPER_MAGIC as usize {
        return Ok(DirectIo::Elsewhere);
    }
    let block = 1u32.checked_shl(u32::from(bits)).ok_or(EINVAL)?;
    Ok(DirectIo::Unknown { block })
}
