// SPDX-License-Identifier: GPL-2.0

//! A buffer of a user process, pinned so that a kernel thread can fill it.
//!
//! Lock order: pinning may take the process's `mmap_lock`, and what a page fault takes.

use core::ptr;

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

use super::{
    ffi,
    memory::Memory, //
};
use crate::range;

/// Pages that are charged to the process that has them pinned, and to its user, as long as this lives.
///
/// # Invariants
///
/// `pages` are charged to `mm`, of which we hold a reference, and to `user`, unless that is null, likewise.
struct Charge {
    pages: usize,
    user: *mut bindings::user_struct,
    mm: *mut bindings::mm_struct,
}

impl Charge {
    /// Charges the current process. `ENOMEM` when its user would exceed `RLIMIT_MEMLOCK`, unless it has
    /// `CAP_IPC_LOCK`.
    fn new(pages: usize) -> Result<Self> {
        let (mut user, mut mm) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: The pointers are ours. A process of user space calls.
        to_result(unsafe { ffi::resmem_charge_pinned(pages, &mut user, &mut mm) })?;
        // INVARIANT: They were just charged.
        Ok(Self { pages, user, mm })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; it happens once.
        unsafe { ffi::resmem_uncharge_pinned(self.pages, self.user, self.mm) };
    }
}

/// Pages of a user's buffer.
///
/// # Invariants
///
/// `pages` are pinned for writing, and together hold `length` bytes from byte `first` of the first
/// one on. None of them is reserved: they share no memory with a region, by any mapping.
pub(crate) struct PinnedBuffer {
    pages: KVVec<*mut bindings::page>,
    first: usize,
    length: usize,
    _charge: Charge,
}

// SAFETY: Pinned pages may be used, unpinned and paid back by any thread.
unsafe impl Send for PinnedBuffer {}

impl PinnedBuffer {
    /// Pins `length` bytes of the calling process from `address` on, any alignment, pages in high
    /// memory included.
    ///
    /// Sleeps, for as long as the pages take to be there: what the process has mapped decides that. Errors:
    /// `EFAULT` what is not writable memory, `EINVAL` an empty or impossible range, or reserved memory;
    /// `ENOMEM` more than the user may have pinned (`RLIMIT_MEMLOCK`).
    pub(crate) fn new(address: u64, length: u64) -> Result<Self> {
        let (start, count) = range::frames(address, length, PAGE_SHIFT as u32).ok_or(EINVAL)?;
        let mut buffer = Self {
            pages: KVVec::with_capacity(count, GFP_KERNEL)?,
            first: address as usize % PAGE_SIZE,
            length: usize::try_from(length).map_err(|_| EINVAL)?,
            _charge: Charge::new(count)?,
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
        // SAFETY: The pages are pinned.
        let reserved = |page: &*mut bindings::page| unsafe { ffi::resmem_page_is_reserved(*page) };
        if buffer.pages.iter().any(reserved) {
            return Err(EINVAL);
        }
        // INVARIANT: None is reserved, as was just checked, and that does not change of a page in use.
        Ok(buffer)
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Copies from byte `from` of `memory`, a region's, to the bytes from `offset` on, as far as their page goes. The
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
