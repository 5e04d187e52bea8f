// SPDX-License-Identifier: GPL-2.0

//! Page frames that belong to a reserved region.

use core::ptr::NonNull;

use kernel::{
    bindings,
    iov::IovIterDest,
    page::{
        BorrowedPage,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use crate::{
    ffi,
    range, //
};

/// A run of page frames that are reserved for good.
///
/// # Invariants
///
/// Every frame from `first` to `first + count - 1` has a valid `struct page` that carries
/// `PG_reserved`: the boot-time allocator never handed it to the page allocator, and nothing takes
/// it back. The `struct page`s are one array (`helpers.c` refuses other memory models).
pub(crate) struct Frames {
    first: usize,
    count: usize,
}

impl Frames {
    /// The frames that lie wholly within `size` bytes from physical address `base`.
    ///
    /// May be called from any context. Errors: `ENXIO` when a frame has no `struct page` (outside
    /// the kernel's memory map) or is not reserved, `EINVAL` when there is no whole frame.
    pub(crate) fn new(base: u64, size: u64) -> Result<Self> {
        let (first, count) = range::whole_frames(base, size, PAGE_SHIFT as u32).ok_or(EINVAL)?;

        for pfn in first..first + count {
            // SAFETY: Any number may be asked for: the function checks that there is a `struct
            // page` before it looks at one.
            if !unsafe { ffi::resmem_frame_is_reserved(pfn) } {
                return Err(ENXIO);
            }
        }
        // INVARIANT: All frames were just found to be reserved, and whoever passed in the bounds of
        // a node of /reserved-memory owns them.
        Ok(Self { first, count })
    }

    /// Number of frames.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The page of frame `index`, counted from the first; `EINVAL` beyond the last.
    pub(crate) fn page(&self, index: usize) -> Result<BorrowedPage<'static>> {
        if index >= self.count {
            return Err(EINVAL);
        }
        // SAFETY: The frame is one of ours, so it has a `struct page` by the type invariants.
        let page: *mut bindings::page = unsafe { ffi::resmem_frame_to_page(self.first + index) };
        // SAFETY: By the type invariants, the page is valid and is never freed; it is a single page
        // of order 0, as reserved pages are. `BorrowedPage` does not drop it.
        Ok(unsafe { BorrowedPage::from_raw(NonNull::new(page).ok_or(EINVAL)?) })
    }

    /// Copies from byte `offset` to the end of its page, or as much as `iter` takes. May sleep.
    pub(crate) fn copy_to_iter(&self, offset: u64, iter: &mut IovIterDest<'_>) -> Result<usize> {
        let index = usize::try_from(offset / PAGE_SIZE as u64).map_err(|_| EINVAL)?;
        let within = (offset % PAGE_SIZE as u64) as usize;
        let page = self.page(index)?;
        // SAFETY: The page is valid, also where it has to be mapped first; the bytes lie within it;
        // `iter` is valid by its type.
        Ok(unsafe {
            bindings::copy_page_to_iter(page.as_ptr(), within, PAGE_SIZE - within, iter.as_raw())
        })
    }
}
