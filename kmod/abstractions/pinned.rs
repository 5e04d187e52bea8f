// SPDX-License-Identifier: GPL-2.0

//! A buffer of a user process, pinned so that a kernel thread can fill it.
//!
//! Lock order: pinning may take the process's `mmap_lock`, and what a page fault takes.

use kernel::{
    alloc::{
        flags::GFP_KERNEL,
        KVVec, //
    },
    bindings,
    error::to_result,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::memory::Memory;
use crate::range;

/// Pages of a user's buffer.
///
/// # Invariants
///
/// `pages` are pinned for writing, and together hold `length` bytes from byte `first` of the first
/// one on.
pub(crate) struct PinnedBuffer {
    pages: KVVec<*mut bindings::page>,
    first: usize,
    length: usize,
}

// SAFETY: Pinned pages may be used and unpinned by any thread.
unsafe impl Send for PinnedBuffer {}

impl PinnedBuffer {
    /// Pins `length` bytes of the calling process from `address` on, any alignment, pages in high
    /// memory included.
    ///
    /// Sleeps. Errors: `EFAULT` what is not writable memory, `EINVAL` an empty or impossible range.
    pub(crate) fn new(address: u64, length: u64) -> Result<Self> {
        let (start, count) = range::frames(address, length, PAGE_SHIFT as u32).ok_or(EINVAL)?;
        let mut buffer = Self {
            pages: KVVec::with_capacity(count, GFP_KERNEL)?,
            first: address as usize % PAGE_SIZE,
            length: usize::try_from(length).map_err(|_| EINVAL)?,
        };
        while buffer.pages.len() < count {
            let have = buffer.pages.len();
            let next = start.checked_add(have).ok_or(EFAULT)?;
            if next > usize::MAX >> PAGE_SHIFT {
                return Err(EFAULT);
            }
            let wanted = i32::try_from(count - have).map_err(|_| EINVAL)?;
            // SAFETY: There is room for as many pointers in the vector.
            let pinned = unsafe {
                bindings::pin_user_pages_fast(
                    next << PAGE_SHIFT,
                    wanted,
                    bindings::FOLL_WRITE | bindings::FOLL_LONGTERM,
                    buffer.pages.as_mut_ptr().add(have),
                )
            };
            // Dropping the buffer unpins what has been pinned before.
            to_result(pinned)?;
            if pinned == 0 {
                return Err(EFAULT);
            }
            // INVARIANT: So many pointers were just written, to pages that were just pinned.
            // SAFETY: As above; they are within the capacity.
            unsafe { buffer.pages.inc_len(pinned as usize) };
        }
        Ok(buffer)
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Copies from byte `from` of `memory` to the bytes from `offset` on, as far as their page goes. The
    /// process may use them meanwhile.
    ///
    /// May sleep. `EINVAL` beyond the end; otherwise errors are those of [`Memory::copy_out`]. Returns the number
    /// of bytes.
    pub(crate) fn fill(&self, offset: usize, memory: &Memory, from: u64) -> Result<usize> {
        let left = self.length.checked_sub(offset).ok_or(EINVAL)?;
        let at = self.first + offset;
        let page = *self.pages.get(at >> PAGE_SHIFT).ok_or(EINVAL)?;
        let within = at % PAGE_SIZE;
        let bytes = left.min(PAGE_SIZE - within);
        // SAFETY: The page is pinned by the type invariants; it is unmapped below, in the order of
        // the mappings: those that copying makes are gone then.
        let mapped = unsafe { bindings::kmap_local_page(page) };
        // SAFETY: `within` is less than a page, and `bytes` are left of it from there on.
        let result = unsafe {
            let to = mapped.cast::<u8>().add(within);
            memory.copy_out_raw(from, to, bytes)
        };
        // SAFETY: Mapped above.
        unsafe { bindings::kunmap_local(mapped) };
        result.map(|()| bytes)
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the pages are pinned; they are marked as written to.
        unsafe {
            bindings::unpin_user_pages_dirty_lock(self.pages.as_mut_ptr(), self.pages.len(), true)
        };
    }
}
