// SPDX-License-Identifier: MIT

//! A window of a region, file or device in this program's address space.

use std::{fs::File, io, ops::Range, os::fd::AsRawFd};

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;

use crate::range;

/// A read-only shared mapping of part of a region, file or device.
///
/// Hardware may change its bytes at any time, so there is no slice of them: the kernel reads them, or [`Mapping::read`]
/// copies them.
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

    /// Writes zeroes to `range` of `file`, by a mapping that is gone afterwards.
    pub(crate) fn zero(file: &File, range: &Range<u64>) -> io::Result<()> {
        let length = range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?;
        let length = usize::try_from(length).map_err(|_| Errno::ENOMEM)?;
        if length == 0 {
            return Err(Errno::EINVAL.into());
        }
        let map = MmapOptions::new()
            .offset(range.start)
            .len(length)
            .map_raw(file)?;
        // SAFETY: `length` bytes are mapped there and can be written to; no code forms a reference to them, and a
        // device that reads them meanwhile finds what was there or zeroes.
        unsafe { map.as_mut_ptr().write_bytes(0, length) };
        Ok(())
    }

    /// Whether `length` bytes from `from` on, in the mapped file's offsets, are mapped.
    pub fn covers(&self, from: u64, length: u64) -> bool {
        range::within(from.wrapping_sub(self.start), length, self.map.len() as u64).is_ok()
    }

    /// Where the byte `from` of the mapped file is; `length` bytes are mapped there as long as `self` lives, for a
    /// system call to read: a device may change them at any time. `EINVAL` for bytes that are not mapped.
    pub fn pointer(&self, from: u64, length: u32) -> io::Result<*const u8> {
        if !self.covers(from, length.into()) {
            return Err(Errno::EINVAL.into());
        }
        let inside = usize::try_from(from - self.start).map_err(|_| Errno::EINVAL)?;
        // SAFETY: `covers` says that `inside` is within the mapping.
        Ok(unsafe { self.map.as_ptr().add(inside) })
    }

    /// Copies bytes from `from` on, in the mapped file's offsets. Each is read once; which of two values it has that a
    /// device is just changing is not known. `EINVAL` for bytes that are not mapped.
    pub fn read(&self, from: u64, buffer: &mut [u8]) -> io::Result<()> {
        let length = u32::try_from(buffer.len()).map_err(|_| Errno::EINVAL)?;
        if length == 0 {
            return Ok(());
        }
        let bytes = self.pointer(from, length)?;
        for (index, byte) in buffer.iter_mut().enumerate() {
            // SAFETY: `length` bytes are mapped from `bytes` on.
            let source = unsafe { bytes.add(index) };
            // SAFETY: It is mapped and can be read; a device may change it meanwhile, hence volatile.
            *byte = unsafe { source.read_volatile() };
        }
        Ok(())
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
        let bytes = self.pointer(from, length)?;
        let position = i64::try_from(position).map_err(|_| io::Error::from(Errno::EINVAL))?;
        // SAFETY: `length` bytes are mapped there as long as `self` lives; should the
        // mapped file have shrunk, the kernel answers EFAULT. No code forms a reference to them.
        let written =
            unsafe { libc::pwrite64(target.as_raw_fd(), bytes.cast(), length as usize, position) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::FileExt};

    use super::*;

    #[test]
    fn zeroes_are_written_where_they_are_asked_for_and_nowhere_else() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 8192], 0).unwrap();
        Mapping::zero(&file, &(100..5000)).unwrap();
        let mut bytes = [1; 8192];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let expected = |at: usize| if (100..5000).contains(&at) { 0 } else { 7 };
        assert!((0..8192).all(|at| bytes[at] == expected(at)));
        let error = Mapping::zero(&file, &(8..8)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn bytes_are_read_where_they_are_mapped_and_nowhere_else() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&(0..=255).cycle().take(8192).collect::<Vec<u8>>())
            .unwrap();
        let mapping = Mapping::new(&file, 100, 4096).unwrap();
        let mut bytes = [0; 4];
        mapping.read(100, &mut bytes).unwrap();
        assert_eq!(bytes, [100, 101, 102, 103]);
        mapping.read(4192, &mut bytes).unwrap();
        for from in [99, 4193, u64::MAX] {
            let error = mapping.read(from, &mut bytes).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{from}");
        }
        mapping.read(u64::MAX, &mut []).unwrap();
    }
}
