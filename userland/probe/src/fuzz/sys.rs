// SPDX-License-Identifier: MIT
//! System calls as numbers: what they return, or the errno.

use std::ffi::CString;
use std::os::fd::RawFd;

use libc::{c_int, c_ulong};
use nix::errno::Errno;

/// What a call returned, or its errno.
pub type Called = Result<u64, i32>;

/// Takes in what a C function returned.
pub fn called(ret: impl TryInto<i64>) -> Called {
    match ret.try_into() {
        Ok(ret) if ret >= 0 => Ok(ret as u64),
        _ => Err(Errno::last_raw()),
    }
}

/// The same for calls that a signal may interrupt before they have done anything.
pub fn again(mut call: impl FnMut() -> Called) -> Called {
    loop {
        match call() {
            Err(libc::EINTR) => {}
            other => return other,
        }
    }
}

/// `open()` with any flags.
pub fn open(path: &str, flags: c_int) -> Result<RawFd, i32> {
    let path = CString::new(path).map_err(|_| libc::EINVAL)?;
    // SAFETY: The path is a string; opening concerns no memory.
    let call = || called(unsafe { libc::open(path.as_ptr(), flags, 0o600) });
    again(call).map(|fd| fd as RawFd)
}

/// `close()`.
pub fn close(fd: RawFd) -> Called {
    // SAFETY: Descriptors are numbers here; none is owned by type.
    called(unsafe { libc::close(fd) })
}

/// `pread()` into memory of ours.
pub fn pread(fd: RawFd, buffer: &mut [u8], offset: u64) -> Called {
    again(|| {
        // SAFETY: The buffer is ours.
        called(unsafe {
            libc::pread64(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset as i64)
        })
    })
}

/// `read()` to any address: the kernel judges it.
pub fn read_raw(fd: RawFd, address: usize, length: usize) -> Called {
    // SAFETY: The caller gives memory that may be overwritten, or none at all.
    called(unsafe { libc::syscall(libc::SYS_read, fd, address, length) })
}

/// `write()` from any address.
pub fn write_raw(fd: RawFd, address: usize, length: usize) -> Called {
    // SAFETY: Memory is only read, by the kernel, which judges the address.
    called(unsafe { libc::syscall(libc::SYS_write, fd, address, length) })
}

/// `pread()` to any address.
pub fn pread_raw(fd: RawFd, address: usize, length: usize, offset: u64) -> Called {
    // SAFETY: As for `read_raw`.
    called(unsafe {
        libc::pread64(
            fd,
            std::ptr::without_provenance_mut(address),
            length,
            offset as i64,
        )
    })
}

/// `pwrite()` from any address.
pub fn pwrite_raw(fd: RawFd, address: usize, length: usize, offset: u64) -> Called {
    // SAFETY: As for `write_raw`.
    called(unsafe {
        libc::pwrite64(
            fd,
            std::ptr::without_provenance(address),
            length,
            offset as i64,
        )
    })
}

/// `ioctl()` with any command and argument.
pub fn ioctl(fd: RawFd, command: u32, argument: usize) -> Called {
    // SAFETY: The caller gives an argument that the command may write to, or that is no memory.
    called(unsafe { libc::ioctl(fd, command as _, argument) })
}

/// `fcntl()` with a number as its argument.
pub fn fcntl(fd: RawFd, command: c_int, argument: c_ulong) -> Called {
    // SAFETY: Commands that take a pointer are the caller's business.
    called(unsafe { libc::fcntl(fd, command, argument) })
}

/// A pipe that does not block.
pub fn pipe() -> Result<[RawFd; 2], i32> {
    let mut ends = [-1; 2];
    // SAFETY: The array is ours.
    called(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) })?;
    Ok(ends)
}

/// The offsets that `mmap()` can be asked for: on 32-bit machines it takes a number of pages.
pub const MMAP_OFFSETS: u64 = if cfg!(target_pointer_width = "32") {
    (1 << 44) - 1
} else {
    u64::MAX
};

/// `mmap()` with any offset, also those that the C library refuses.
pub fn mmap(
    address: usize,
    length: usize,
    protection: c_int,
    flags: c_int,
    fd: RawFd,
    offset: u64,
) -> Result<usize, i32> {
    #[cfg(target_pointer_width = "32")]
    let (number, offset) = (libc::SYS_mmap2, (offset >> 12) as usize);
    #[cfg(target_pointer_width = "64")]
    let (number, offset) = (libc::SYS_mmap, offset as usize);
    // SAFETY: With a fixed address the caller gives one that is not used otherwise.
    let ret = unsafe { libc::syscall(number, address, length, protection, flags, fd, offset) };
    // An address may look negative.
    match ret as isize {
        -4095..=-1 => Err(Errno::last_raw()),
        address => Ok(address as usize),
    }
}

/// `munmap()` of a range that is the caller's.
pub fn munmap(address: usize, length: usize) -> Called {
    // SAFETY: The caller's promise.
    called(unsafe { libc::munmap(std::ptr::without_provenance_mut(address), length) })
}
