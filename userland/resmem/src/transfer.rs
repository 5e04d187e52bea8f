// SPDX-License-Identifier: MIT

//! Bytes between a region and a file.

use std::{fmt, io, ops::Range, os::fd::AsFd};

use crate::{
    Region,
    abi::{TRANSFER_STRICT, Transfer},
    direction::Direction,
};

/// How bytes are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes a request, [`CHUNK_MIN`](crate::abi::CHUNK_MIN) to [`CHUNK_MAX`](crate::abi::CHUNK_MAX), a multiple of the
    /// former; 0: the module's default.
    pub chunk: u32,
    /// Requests in flight, 1 to [`DEPTH_MAX`](crate::abi::DEPTH_MAX); 0: the module's default.
    pub depth: u32,
    /// Refuse what would have to be copied: `ENXIO`, `EINVAL`.
    pub strict: bool,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes that went by DMA from, or to, the region's own pages.
    pub direct: u64,
    /// Bytes that a processor copied.
    pub copied: u64,
}

impl Moved {
    /// All of them.
    pub fn bytes(&self) -> u64 {
        self.direct + self.copied
    }
}

/// A transfer that did not move all.
#[derive(Debug)]
pub struct Stopped {
    /// The contiguous prefix that was moved.
    pub moved: Moved,
    /// Why no more. `EINTR` says nothing of region and file: a signal, a debugger; ask for the rest, or end.
    pub error: io::Error,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes: {}", self.moved.bytes(), self.error)
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Region {
    /// Writes `range` to `file` from its byte `at` on. `file` is open with `O_DIRECT`, or a block device that is. What
    /// is moved has reached the device, not yet its medium: call `sync_all` of the file. Blocks until nothing is in
    /// flight.
    ///
    /// Errors: see [`IOC_DUMP`](crate::abi::IOC_DUMP).
    pub fn dump(
        &self,
        range: Range<u64>,
        file: impl AsFd,
        at: u64,
        options: Options,
    ) -> Result<Moved, Stopped> {
        self.move_range(Direction::Dump, range, file, at, options)
    }

    /// Reads `range` from `file`, as [`Region::dump`] writes it. Needs [`Access::Write`](crate::Access::Write).
    ///
    /// Errors: see [`IOC_LOAD`](crate::abi::IOC_LOAD).
    pub fn load(
        &self,
        range: Range<u64>,
        file: impl AsFd,
        at: u64,
        options: Options,
    ) -> Result<Moved, Stopped> {
        self.move_range(Direction::Load, range, file, at, options)
    }

    fn move_range(
        &self,
        direction: Direction,
        range: Range<u64>,
        file: impl AsFd,
        at: u64,
        options: Options,
    ) -> Result<Moved, Stopped> {
        let mut transfer = Transfer {
            flags: if options.strict { TRANSFER_STRICT } else { 0 },
            region_offset: range.start,
            // Empty, and refused, where it ends before it begins.
            length: range.end.saturating_sub(range.start),
            file_offset: at,
            chunk: options.chunk,
            depth: options.depth,
            ..Transfer::default()
        };
        let answer = self.transfer(direction, file, &mut transfer);
        let moved = Moved {
            direct: transfer.direct,
            copied: transfer.copied,
        };
        match (answer, transfer.error) {
            (Ok(()), 0) => Ok(moved),
            (Ok(()), error) => Err(Stopped {
                moved,
                error: io::Error::from_raw_os_error(error as i32),
            }),
            (Err(error), _) => Err(Stopped {
                moved: Moved::default(),
                error,
            }),
        }
    }
}
