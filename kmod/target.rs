// SPDX-License-Identifier: GPL-2.0

//! The other end of a transfer: a file descriptor that has been found fit for direct I/O.

use kernel::{
    fs::{
        file::flags,
        LocalFile, //
    },
    prelude::*,
    sync::aref::ARef, //
};

use crate::abstractions::{
    file::{
        self,
        DirectIo,
        Kind, //
    },
    kiocb::Direction, //
};

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
        let opened = match direction {
            Direction::Dump => file::opened_for_writing(&file),
            Direction::Load => file::opened_for_reading(&file),
        };
        if !opened {
            return Err(EBADF);
        }
        if !file::can_seek(&file) {
            return Err(ESPIPE);
        }
        if file::kind(&file) == Kind::Other {
            return Err(EINVAL);
        }
        if file.flags() & flags::O_DIRECT == 0 || file.flags() & flags::O_APPEND != 0 {
            return Err(EINVAL);
        }
        if !file::can_do_direct_io(&file) {
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

    pub(crate) fn file(&self) -> &LocalFile {
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
/// Asks what `statx(STATX_DIOALIGN)` would answer; a file system on a block device that does not know is
/// taken to need its block size. `EOPNOTSUPP` where it says that this file has no direct I/O (a write would
/// silently go through the page cache), and where nothing says that its direct I/O copies nothing: tmpfs
/// and FUSE copy, btrfs does where it has checksums, CIFS and 9p may.
fn direct_io_alignment(file: &LocalFile, direction: Direction) -> Result<(u32, u32)> {
    let (memory, offset) = match file::direct_io(file)? {
        DirectIo::Elsewhere => return Err(EOPNOTSUPP),
        DirectIo::Unknown { block } => (block, block),
        DirectIo::Aligned {
            memory,
            write,
            read,
        } => match direction {
            Direction::Dump => (memory, write),
            Direction::Load => (memory, read),
        },
    };
    if !memory.is_power_of_two() || !offset.is_power_of_two() {
        return Err(EOPNOTSUPP);
    }
    Ok((memory, offset))
}
