// SPDX-License-Identifier: MIT

//! A window of a file or device in this program's address space, to write from.

use std::{fs::File, io, os::fd::AsRawFd};

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;

/// A read-only shared mapping of part of a file or device.
///
/// Its bytes are only ever read by the kernel: hardware may change them at any time, so there is no
/// slice of them.
///
/// # Invariants
///
/// `map` holds the bytes of the mapped file from `start` on, and stays mapped as long as `self`
/// lives.
#[derive(Debug)]
pub struct Mapping {
    map: MmapRaw,
    start: u64,
}

impl Mapping {
    /// Maps `length` bytes of `file` from `start` on. Neither needs to be aligned.
    pub fn new(file: &File, start: u64, length: usize) -> io::Result<Self> {
        let map = MmapOptions::new()
            .offset(start)
            .len(length)
            .map_raw_read_only(file)?;
        // INVARIANT: What was just mapped is dropped with `self`.
        Ok(Self { map, start })
    }

    /// Whether `length` bytes from `from` on, in the mapped file's offsets, are mapped.
    pub fn covers(&self, from: u64, length: u64) -> bool {
        resmem_abi::range::within(from.wrapping_sub(self.start), length, self.map.len() as u64)
            .is_ok()
    }

    /// Where the byte `from` of the mapped file is; `length` bytes are mapped there as long as `self`
    /// lives. `EINVAL` for bytes that are not mapped.
    pub(super) fn bytes(&self, from: u64, length: u32) -> io::Result<*const u8> {
        if !self.covers(from, length.into()) {
            return Err(Errno::EINVAL.into());
        }
        let inside = usize::try_from(from - self.start).map_err(|_| Errno::EINVAL)?;
        // SAFETY: `covers` says that `inside` is within the mapping.
        Ok(unsafe { self.map.as_ptr().add(inside) })
    }

    /// Writes `length` bytes from `from` on to `position` of `target` with one system call. Returns
    /// what it wrote. `EINVAL` for bytes that are not mapped.
    pub fn write_at(
        &self,
        from: u64,
        length: u32,
        target: &File,
        position: u64,
    ) -> io::Result<usize> {
        let bytes = self.bytes(from, length)?;
        let position = i64::try_from(position).map_err(|_| io::Error::from(Errno::EINVAL))?;
        // SAFETY: `length` bytes are mapped there as long as `self` lives; should the
        // mapped file have shrunk, the kernel answers EFAULT. No code forms a reference to them.
        let written =
            unsafe { libc::pwrite64(target.as_raw_fd(), bytes.cast(), length as usize, position) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }
}
