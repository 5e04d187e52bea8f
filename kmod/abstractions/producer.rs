// SPDX-License-Identifier: GPL-2.0

//! Where a device says how far it is: a register, or a word of memory.

use core::ptr::NonNull;

use kernel::{
    ffi::c_void,
    prelude::*, //
};

use super::{
    ffi,
    memory::Memory, //
};
use crate::halves;

/// How a value lies in memory.
#[derive(Clone, Copy)]
pub(crate) struct Width {
    /// 4 or 8.
    pub(crate) bytes: u32,
    pub(crate) big_endian: bool,
}

impl Width {
    /// The value whose 4 bytes from a place on `read` reads. `EIO` for one that does not stand still for long enough.
    fn value(self, read: impl Fn(u32) -> u32) -> Result<u64> {
        if self.bytes == 4 {
            return Ok(read(0).into());
        }
        let (upper, lower) = if self.big_endian { (0, 4) } else { (4, 0) };
        halves::read(|| read(upper), || read(lower)).ok_or(EIO)
    }
}

/// A register that is mapped.
///
/// # Invariants
///
/// `address` is a mapping of a device's memory of at least `width` bytes, ours to unmap, at a multiple of 4.
pub(crate) struct Register {
    address: NonNull<c_void>,
    width: Width,
}

// SAFETY: A register may be read and unmapped by any thread.
unsafe impl Send for Register {}
// SAFETY: Reading and writing it changes nothing of ours.
unsafe impl Sync for Register {}

impl Register {
    /// Maps the register at physical address `start`. `EINVAL` for one that is not aligned to 4, `ENOMEM`.
    pub(crate) fn new(start: u64, width: Width) -> Result<Self> {
        if start % 4 != 0 || !matches!(width.bytes, 4 | 8) {
            return Err(EINVAL);
        }
        // SAFETY: Any range may be mapped as a device's.
        let address = unsafe { ffi::resmem_map_register(start, width.bytes as usize) };
        // INVARIANT: It was just mapped, as long as asked for, and as aligned.
        Ok(Self {
            address: NonNull::new(address).ok_or(ENOMEM)?,
            width,
        })
    }

    /// What it says. Errors: see [`Width::value`].
    pub(crate) fn read(&self) -> Result<u64> {
        let (address, big_endian) = (self.address.as_ptr(), self.width.big_endian);
        self.width.value(|offset| {
            // SAFETY: By the type invariants: the offset is 0 or, of 8 bytes, 4.
            unsafe { ffi::resmem_read_register(address, offset, big_endian) }
        })
    }

    /// Has the first 4 bytes say `value`.
    pub(crate) fn write(&self, value: u32) {
        // SAFETY: By the type invariants.
        unsafe { ffi::resmem_write_register(self.address.as_ptr(), value, self.width.big_endian) };
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and this happens once.
        unsafe { ffi::resmem_unmap_uncached(self.address.as_ptr()) };
    }
}

/// Reads the word at byte `offset` of `memory`. `EINVAL` for one that is not aligned to its width, leaves the memory
/// or lies in two pages; `ENXIO` where the memory has no page; see [`Width::value`].
pub(crate) fn read_word(memory: &Memory, offset: u64, width: Width) -> Result<u64> {
    let (index, within) = memory.locate(offset);
    let end = offset.checked_add(width.bytes.into()).ok_or(EINVAL)?;
    if within % width.bytes as usize != 0 || end > memory.size() || !matches!(width.bytes, 4 | 8) {
        return Err(EINVAL);
    }
    let (page, _) = memory.frames().pages(index)?;
    width.value(|offset| {
        // SAFETY: The page stays valid as long as the region does; the word lies in it, for it is aligned to its size,
        // and the offset is 0 or, of 8 bytes, 4. A device writes it meanwhile: it is read by a volatile access.
        unsafe { ffi::resmem_read_word(page.as_ptr(), within as u32 + offset, width.big_endian) }
    })
}

/// Writes the 4 bytes at byte `offset` of `memory`. Errors: as for [`read_word`], but of a width of 4.
pub(crate) fn write_word(memory: &Memory, offset: u64, width: Width, value: u32) -> Result {
    let (index, within) = memory.locate(offset);
    let end = offset.checked_add(4).ok_or(EINVAL)?;
    if within % 4 != 0 || end > memory.size() || width.bytes != 4 {
        return Err(EINVAL);
    }
    let (page, _) = memory.frames().pages(index)?;
    // SAFETY: The page stays valid as long as the region does; the word lies in it, for it is aligned to its size. It is
    // written by one volatile access, whatever else is done with the memory.
    unsafe {
        ffi::resmem_write_word(page.as_ptr(), within as u32, value, width.big_endian);
    }
    Ok(())
}

/// What was seen before is before what is seen from here on, on the bus as well.
pub(crate) fn full_barrier() {
    // SAFETY: May be called at any time.
    unsafe { ffi::resmem_full_barrier() };
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    // SAFETY: May be called at any time.
    unsafe { ffi::resmem_now() }
}

/// Nanoseconds of a monotonic clock that goes on while the system is suspended, as a device may.
pub(crate) fn now_with_suspend() -> u64 {
    // SAFETY: May be called at any time.
    unsafe { ffi::resmem_now_with_suspend() }
}
