// SPDX-License-Identifier: MIT

//! Calls on open files, with 64-bit offsets everywhere.

use std::{fs::File, mem::MaybeUninit, os::fd::AsRawFd};

use nix::{
    Result,
    errno::Errno,
    unistd::{Whence, lseek64},
};

use crate::span::{Alignment, Span};

/// What `statx(STATX_DIOALIGN)` says of an open file or block device: `None` where the kernel or the
/// file system does not know, `EOPNOTSUPP` where it knows that there is no direct I/O.
pub fn direct_io_alignment(file: &File) -> Result<Option<Alignment>> {
    let stat = statx(file, libc::STATX_DIOALIGN)?;
    if stat.stx_mask & libc::STATX_DIOALIGN == 0 {
        return Ok(None);
    }
    let (memory, offset) = (stat.stx_dio_mem_align, stat.stx_dio_offset_align);
    if !memory.is_power_of_two() || !offset.is_power_of_two() {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(Some(Alignment { memory, offset }))
}

/// Whether what is made in the open folder can never be removed or renamed (`chattr +a`).
pub fn is_append_only(folder: &File) -> bool {
    let append = libc::STATX_ATTR_APPEND as u64;
    statx(folder, 0).is_ok_and(|stat| stat.stx_attributes & append != 0)
}

fn statx(file: &File, mask: u32) -> Result<libc::statx> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: The descriptor is open, the path is an empty C string, `stat` has room for the answer.
    Errno::result(unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            mask,
            stat.as_mut_ptr(),
        )
    })?;
    // SAFETY: The kernel filled it in, and it was zeroed before; it holds integers only.
    Ok(unsafe { stat.assume_init() })
}

/// Allocates the blocks of `length` bytes from `offset` and lets the file grow to hold them, without
/// writing. `EOPNOTSUPP` where the file system cannot.
pub fn allocate(file: &File, offset: u64, length: u64) -> Result<()> {
    fallocate(file, 0, offset, length)
}

/// Allocates the blocks of `length` bytes from `offset`; the file does not grow. What is not written by the
/// time that the file is cut is given back.
pub fn reserve(file: &File, offset: u64, length: u64) -> Result<()> {
    fallocate(file, libc::FALLOC_FL_KEEP_SIZE, offset, length)
}

fn fallocate(file: &File, mode: i32, offset: u64, length: u64) -> Result<()> {
    let offset = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    let length = i64::try_from(length).map_err(|_| Errno::EFBIG)?;
    // SAFETY: The descriptor is open; no memory is passed.
    Errno::result(unsafe { libc::fallocate64(file.as_raw_fd(), mode, offset, length) }).map(drop)
}

/// The first hole in `within`, a part of a file that is not behind its end: what was never written,
/// or cut off since. `None` also where the file system does not know of holes. Moves the file's own
/// position.
pub fn hole(file: &File, within: Span) -> Option<Span> {
    let end = within.offset + within.length;
    let seek = |from: u64, whence| {
        let found = lseek64(file, i64::try_from(from).ok()?, whence).ok()?;
        u64::try_from(found).ok().filter(|at| *at < end)
    };
    if within.length == 0 {
        return None;
    }
    let offset = seek(within.offset, Whence::SeekHole)?;
    let length = seek(offset, Whence::SeekData).unwrap_or(end) - offset;
    Some(Span { offset, length })
}

/// Writes what was written to `file` to its disk, which may still hold it in a cache. No flush, and nothing of the file
/// system's own data.
pub fn write_out(file: &File) -> Result<()> {
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: The descriptor is open; no memory is passed.
    Errno::result(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) }).map(drop)
}

/// Bytes that an unprivileged writer could still add to the file system of `file`.
pub fn available(file: &File) -> Result<u64> {
    let mut stat = MaybeUninit::<libc::statvfs64>::zeroed();
    // SAFETY: The descriptor is open, `stat` has room for the answer.
    Errno::result(unsafe { libc::fstatvfs64(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: The call filled it in, and it was zeroed before; it holds integers only.
    let stat = unsafe { stat.assume_init() };
    // The width of these fields differs between machines.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    Ok(stat
        .f_bavail
        .saturating_mul(u64::from(stat.f_frsize as u32)))
}

/// Takes `length` bytes from `offset` of `file`, all to its end if that is 0, for this open file until it is
/// closed. `EAGAIN` when another has taken one of them. The file must be open for writing.
pub fn lock_range(file: &File, offset: u64, length: u64) -> Result<()> {
    // SAFETY: The structure holds integers only; zero is a value of each.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock.l_start = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    lock.l_len = i64::try_from(length).map_err(|_| Errno::EFBIG)?;
    // SAFETY: The descriptor is open, `lock` is what the command takes also on 32-bit machines: offsets
    // of 64 bits, and no process.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })
        .map(drop)
}

/// The magic number of the file system of `file`, as in linux/magic.h.
pub fn file_system(file: &File) -> Result<u32> {
    let mut stat = MaybeUninit::<libc::statfs64>::zeroed();
    // SAFETY: The descriptor is open, `stat` has room for the answer.
    Errno::result(unsafe { libc::fstatfs64(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: The call filled it in, and it was zeroed before; it holds integers only.
    let stat = unsafe { stat.assume_init() };
    // Magic numbers have 32 bits; the type that holds them differs between machines.
    #[allow(clippy::unnecessary_cast, reason = "it depends on the machine")]
    Ok(stat.f_type as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ranges_of_a_file_have_two_owners() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().write(true).open(file.path()).unwrap();
        let (one, two) = (open(), open());
        lock_range(&one, 4 << 30, 4096).unwrap();
        lock_range(&two, (4 << 30) + 4096, 4096).unwrap();
        assert_eq!(lock_range(&two, 0, 0), Err(Errno::EAGAIN));
        assert_eq!(lock_range(&two, (4 << 30) + 4095, 1), Err(Errno::EAGAIN));
        drop(one);
        lock_range(&two, 0, 0).unwrap();
    }
}
