// SPDX-License-Identifier: GPL-2.0

//! The other end of a transfer: a file descriptor that has been found fit for direct I/O.

use kernel::{
    bindings,
    error::to_result,
    fs::{
        file::flags,
        LocalFile, //
    },
    prelude::*,
    sync::aref::ARef, //
};

use crate::ffi;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Region to file.
    Dump,
    /// File to region.
    Load,
}

/// A file or block device, open with `O_DIRECT`, that bytes can be moved to (from) at any offset.
///
/// # Invariants
///
/// `file` is a regular file or a block device that was opened for [`Self::direction`] with
/// `O_DIRECT`, and its file system offers direct I/O.
pub(crate) struct Target {
    file: ARef<LocalFile>,
    direction: Direction,
    offset_align: u32,
    memory_align: u32,
}

impl Target {
    /// Looks up descriptor `fd` of the current process.
    ///
    /// May sleep. Errors, in the order of the checks: `EBADF` not open, or not open for this
    /// direction; `ESPIPE` cannot seek; `EINVAL` neither a regular file nor a block device, or
    /// without `O_DIRECT`, or `O_APPEND`; `EOPNOTSUPP` no direct I/O on this file.
    pub(crate) fn new(fd: i32, direction: Direction) -> Result<Self> {
        let file = LocalFile::fget(u32::try_from(fd).map_err(|_| EBADF)?)?;
        let raw = file.as_ptr();
        // SAFETY: We hold a reference to the file; its mode and inode are set once, at open.
        let (mode, inode_mode) = unsafe { ((*raw).f_mode, (*(*raw).f_inode).i_mode) };

        let needed = match direction {
            Direction::Dump => ffi::RESMEM_FMODE_WRITE,
            Direction::Load => ffi::RESMEM_FMODE_READ,
        };
        if mode & needed == 0 {
            return Err(EBADF);
        }
        if mode & ffi::RESMEM_FMODE_LSEEK == 0 {
            return Err(ESPIPE);
        }
        if !matches!(
            u32::from(inode_mode) & bindings::S_IFMT,
            bindings::S_IFREG | bindings::S_IFBLK
        ) {
            return Err(EINVAL);
        }
        if file.flags() & flags::O_DIRECT == 0 || file.flags() & flags::O_APPEND != 0 {
            return Err(EINVAL);
        }
        if mode & ffi::RESMEM_FMODE_CAN_ODIRECT == 0 {
            return Err(EOPNOTSUPP);
        }
        let (memory_align, offset_align) = direct_io_alignment(&file, direction)?;
        // INVARIANT: All of it was just checked.
        Ok(Self {
            file,
            direction,
            offset_align,
            memory_align,
        })
    }

    pub(crate) fn file(&self) -> &ARef<LocalFile> {
        &self.file
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Multiple, in bytes, that file offsets and lengths of direct I/O must be of.
    pub(crate) fn offset_align(&self) -> u32 {
        self.offset_align
    }

    /// Multiple, in bytes, that memory addresses of direct I/O must be of.
    pub(crate) fn memory_align(&self) -> u32 {
        self.memory_align
    }
}

/// Memory and offset alignment of direct I/O on `file`, in bytes, both powers of two.
///
/// Asks what `statx(STATX_DIOALIGN)` would answer; a file system that does not know is taken to
/// need its block size. `EOPNOTSUPP` where it says that this file has no direct I/O (a write would
/// silently go through the page cache), or where it does not know and lies on no block device (as
/// tmpfs, which accepts `O_DIRECT` and copies).
fn direct_io_alignment(file: &LocalFile, direction: Direction) -> Result<(u32, u32)> {
    let mut stat: bindings::kstat = pin_init::zeroed();
    let request = bindings::STATX_DIOALIGN | bindings::STATX_DIO_READ_ALIGN;
    // SAFETY: We hold a reference to the file, hence to its path; `stat` is ours.
    to_result(unsafe {
        bindings::vfs_getattr(
            &raw const (*file.as_ptr()).__bindgen_anon_1.f_path,
            &mut stat,
            request,
            0,
        )
    })?;
    if stat.result_mask & bindings::STATX_DIOALIGN == 0 {
        // SAFETY: We hold a reference to the file, hence to its inode and superblock; what is read
        // does not change while a file is in use.
        let (bits, device) = unsafe {
            let inode = (*file.as_ptr()).f_inode;
            ((*inode).i_blkbits, (*(*inode).i_sb).s_bdev)
        };
        if device.is_null() {
            return Err(EOPNOTSUPP);
        }
        let block = 1u32.checked_shl(u32::from(bits)).ok_or(EINVAL)?;
        return Ok((block, block));
    }
    let mut offset_align = stat.dio_offset_align;
    if direction == Direction::Load && stat.result_mask & bindings::STATX_DIO_READ_ALIGN != 0 {
        offset_align = stat.dio_read_offset_align.max(offset_align);
    }
    if !stat.dio_mem_align.is_power_of_two() || !offset_align.is_power_of_two() {
        return Err(EOPNOTSUPP);
    }
    Ok((stat.dio_mem_align, offset_align))
}
