// SPDX-License-Identifier: GPL-2.0

//! Bytes of a region for a processor: through the page where there is one, else through a mapping made
//! for the purpose, which is uncached where a device shares the memory and caches are not coherent. For
//! small looks and for what direct I/O cannot carry.
//!
//! No lock is taken here but by the kernel, to map memory.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings,
    ffi::c_void,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::{
    ffi,
    frames::Frames, //
};
use crate::{
    range,
    refusal::Refusal, //
};

/// The memory of a reserved region. Offsets are relative to its first byte.
pub(crate) struct Memory {
    base: u64,
    size: u64,
    frames: Frames,
    uncached: bool,
}

/// Which way a processor copies, and the caller's bytes.
enum Copy {
    Out(*mut u8),
    In(*const u8),
}

impl Memory {
    /// The `size` bytes from physical address `base`. With `uncached`, what has no page is reached past the
    /// caches. Refusals: see [`Frames::new`]; `EINVAL` for more bytes than a file offset can say.
    pub(crate) fn new(base: u64, size: u64, uncached: bool) -> Result<Self, Refusal> {
        if i64::try_from(size).is_err() {
            return Err(Refusal::new(EINVAL, c"it has more than 2^63 bytes"));
        }
        Ok(Self {
            base,
            size,
            frames: Frames::new(base, size)?,
            uncached,
        })
    }

    /// Physical address of the first byte.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// How many pages lie in it as a whole, from the first on, if it begins with one.
    pub(crate) fn whole_pages(&self) -> usize {
        usize::try_from(self.size >> PAGE_SHIFT).unwrap_or(usize::MAX)
    }

    /// The parts, in bytes, whose frames have a page; in order, and apart.
    pub(crate) fn with_pages(&self) -> Result<KVec<core::ops::Range<u64>>> {
        let before = self.base % PAGE_SIZE as u64;
        let byte = |frame: usize| {
            let byte = (frame as u64 * PAGE_SIZE as u64).saturating_sub(before);
            byte.min(self.size)
        };
        let mut parts = KVec::new();
        for run in self.frames.runs() {
            parts.push(byte(run.start)..byte(run.end), GFP_KERNEL)?;
        }
        Ok(parts)
    }

    /// Index of the frame that byte `offset` lies in, and the offset within the frame.
    pub(crate) fn locate(&self, offset: u64) -> (usize, usize) {
        let from_first = offset + self.base % PAGE_SIZE as u64;
        (
            (from_first >> PAGE_SHIFT) as usize,
            (from_first % PAGE_SIZE as u64) as usize,
        )
    }

    /// Copies from byte `offset` on into `bytes`.
    ///
    /// May sleep. `ERANGE` when the range leaves the region, `ENOMEM` when memory without a page
    /// cannot be mapped, `EBUSY` when it has become the kernel's own.
    pub(crate) fn copy_out(&self, offset: u64, bytes: &mut [u8]) -> Result {
        // SAFETY: A slice is valid for its length.
        unsafe { self.copy_out_raw(offset, bytes.as_mut_ptr(), bytes.len()) }
    }

    /// As [`Self::copy_out`], for memory that others may change or read meanwhile.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `length` bytes.
    pub(crate) unsafe fn copy_out_raw(&self, offset: u64, to: *mut u8, length: usize) -> Result {
        range::within(offset, length as u64, self.size)?;
        // SAFETY: By our own requirements, and the range was just checked.
        unsafe { self.copy(offset, Copy::Out(to), length) }
    }

    /// Copies `bytes` to byte `offset` on. As [`Self::copy_out`] otherwise.
    pub(crate) fn copy_in(&self, offset: u64, bytes: &[u8]) -> Result {
        range::within(offset, bytes.len() as u64, self.size)?;
        // SAFETY: A slice is valid for its length, and the range was just checked.
        unsafe { self.copy(offset, Copy::In(bytes.as_ptr()), bytes.len()) }
    }

    /// # Safety
    ///
    /// The pointer of `copy` is valid for `length` bytes, and so many are in the region from
    /// `offset` on.
    unsafe fn copy(&self, mut offset: u64, copy: Copy, length: usize) -> Result {
        let mut done = 0;
        while done < length {
            let (index, within) = self.locate(offset);
            let holes = self.frames.holes_from(index);
            // A hole may be larger than a `usize` can say in bytes.
            let piece = (holes.max(1).saturating_mul(PAGE_SIZE) - within).min(length - done);
            // SAFETY: The page is valid for `piece` bytes from `within` on, the window for `piece`
            // bytes, and the caller's pointer for `length` in all. Exclusive access to the
            // bytes is impossible: a device, a process or another load may, here as in any driver's
            // `memcpy()` of memory that is shared. No Rust object lies in them and no value is
            // looked at, so all that comes of it is which bytes are copied.
            unsafe {
                if holes == 0 {
                    let (page, _) = self.frames.pages(index)?;
                    match copy {
                        Copy::Out(to) => page.read_raw(to.add(done), within, piece)?,
                        Copy::In(from) => page.write_raw(from.add(done), within, piece)?,
                    }
                } else {
                    let frames = (within + piece).div_ceil(PAGE_SIZE);
                    if !self.frames.is_still_hole(index, frames) {
                        return Err(EBUSY);
                    }
                    let window = Window::map(self.base + offset, piece, self.uncached)?;
                    match copy {
                        Copy::Out(to) => window.copy_out(to.add(done), piece),
                        Copy::In(from) => window.copy_in(from.add(done), piece),
                    }
                }
            }
            done += piece;
            offset += piece as u64;
        }
        Ok(())
    }
}

/// A mapping of memory that has no `struct page`.
///
/// # Invariants
///
/// `address` is what `memremap()` returned, or `resmem_map_uncached()` if `uncached`, and has not been unmapped.
struct Window {
    address: NonNull<c_void>,
    uncached: bool,
}

impl Window {
    /// Maps `length` bytes from physical address `start`. May sleep.
    fn map(start: u64, length: usize, uncached: bool) -> Result<Self> {
        let address = if uncached {
            // SAFETY: Any range may be asked for; it belongs to a part of a reserved region that has
            // no page, so the kernel has no mapping of its own that this could contradict.
            unsafe { ffi::resmem_map_uncached(start, length) }
        } else {
            let start = bindings::resource_size_t::try_from(start).map_err(|_| ERANGE)?;
            // SAFETY: As above.
            unsafe { bindings::memremap(start, length, bindings::MEMREMAP_WB as c_ulong) }
        };
        // INVARIANT: It was just returned, unless there is none.
        Ok(Self {
            address: NonNull::new(address).ok_or(ENOMEM)?,
            uncached,
        })
    }

    /// # Safety
    ///
    /// So many bytes are mapped, and `to` is valid for writes of them.
    unsafe fn copy_out(&self, to: *mut u8, length: usize) {
        let from = self.address.as_ptr();
        // SAFETY: By our own requirements. Uncached memory is not for every instruction.
        unsafe {
            match self.uncached {
                true => ffi::resmem_copy_from_uncached(to.cast(), from, length),
                false => ptr::copy_nonoverlapping(from.cast(), to, length),
            }
        }
    }

    /// # Safety
    ///
    /// So many bytes are mapped, and `from` is valid for reads of them.
    unsafe fn copy_in(&self, from: *const u8, length: usize) {
        let to = self.address.as_ptr();
        // SAFETY: As above.
        unsafe {
            match self.uncached {
                true => ffi::resmem_copy_to_uncached(to, from.cast(), length),
                false => ptr::copy_nonoverlapping(from, to.cast(), length),
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and this is its last use.
        unsafe {
            match self.uncached {
                true => ffi::resmem_unmap_uncached(self.address.as_ptr()),
                false => bindings::memunmap(self.address.as_ptr()),
            }
        };
    }
}

#[kunit_tests(resmem_memory)]
mod tests {
    use super::*;

    #[test]
    fn a_region_may_end_where_addresses_end() -> Result {
        let (page, size) = (PAGE_SIZE as u64, 2 * PAGE_SIZE as u64);
        // 0 where the kernel has no limit of its own.
        let end = 1u64.checked_shl(ffi::RESMEM_PHYSICAL_BITS).unwrap_or(0);
        if usize::BITS < 64 || end != 0 {
            assert!(Memory::new(size.wrapping_neg(), size, false).is_err());
        }
        if usize::BITS < 64 || end == 0 {
            return Ok(());
        }
        assert!(Memory::new(end - page, size, false).is_err());
        let memory = Memory::new(end - size, size, false)?;
        assert!(memory.frames().holes_from(0) == 2 && memory.with_pages()?.is_empty());
        Ok(())
    }
}
