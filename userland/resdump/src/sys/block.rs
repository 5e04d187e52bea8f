// SPDX-License-Identifier: MIT

//! What a block device says about itself.

use std::{
    fs::File,
    os::fd::{AsRawFd, RawFd},
};

use nix::libc::c_int;

mod raw {
    use nix::libc::c_int;

    // The kernel declares this one with `size_t` and stores 64 bits: the number is that of the
    // declaration, also where `size_t` has 32.
    nix::ioctl_read!(blkgetsize64, 0x12, 114, usize);
    nix::ioctl_read_bad!(blksszget, nix::request_code_none!(0x12, 104), c_int);
}

/// Size in bytes. `ENOTTY` for what is not a block device.
pub fn size(device: &File) -> nix::Result<u64> {
    let fd: RawFd = device.as_raw_fd();
    let mut bytes = 0u64;
    // SAFETY: The descriptor is open; the kernel stores a u64, and that is what the pointer is to.
    unsafe { raw::blkgetsize64(fd, (&raw mut bytes).cast()) }?;
    Ok(bytes)
}

/// Size of a logical block in bytes. `ENOTTY` for what is not a block device.
pub fn logical_block(device: &File) -> nix::Result<u32> {
    let fd: RawFd = device.as_raw_fd();
    let mut bytes: c_int = 0;
    // SAFETY: The descriptor is open; the kernel stores an int.
    unsafe { raw::blksszget(fd, &raw mut bytes) }?;
    u32::try_from(bytes).map_err(|_| nix::errno::Errno::EINVAL)
}
