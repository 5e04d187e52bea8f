// SPDX-License-Identifier: GPL-2.0

//! The page frames of a reserved region, and which of them have a `struct page`.

use core::ptr::NonNull;

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings,
    page::{
        BorrowedPage,
        PAGE_SHIFT, //
    },
    prelude::*, //
};

use super::ffi;
use crate::range;

/// Consecutive frames that have a `struct page`, by index.
struct Run {
    start: usize,
    end: usize,
}

/// The frames that the bytes of a region lie in.
///
/// # Invariants
///
/// Every frame of `runs` has a valid `struct page`, by which the kernel reaches its bytes and which
/// carries `PG_reserved`: the boot-time allocator never handed it to the page allocator, and nothing
/// takes it back. (What the command line reserves under a name can be released under it. In the
/// kernel the tracer alone does so, with what `trace_instance=` gave it: nobody must give it a
/// region.) The `struct page`s are one array (`helpers.c` refuses other memory models). Runs are in
/// order, and do not touch.
pub(crate) struct Frames {
    first: usize,
    count: usize,
    runs: KVec<Run>,
}

impl Frames {
    /// The frames that `size` bytes from physical address `base` lie in.
    ///
    /// A frame has no `struct page` when it is outside the kernel's memory map (`mem=` on the
    /// command line, memory that the firmware does not report); one that the kernel has no mapping
    /// of (`no-map` on arm64) counts as none: who copies from it would fault. May sleep. Errors:
    /// `EINVAL` for a range that is empty or wraps, `EBUSY` for a frame that has a page which is not
    /// reserved: it is the page allocator's.
    pub(crate) fn new(base: u64, size: u64) -> Result<Self> {
        let (first, count) = range::frames(base, size, PAGE_SHIFT as u32).ok_or(EINVAL)?;
        let mut runs: KVec<Run> = KVec::new();
        let end = first.checked_add(count).ok_or(EINVAL)?;
        let mut next = first;
        loop {
            // Not frame by frame: a region may be far larger than the memory map.
            // SAFETY: Any range may be asked for.
            let pfn = unsafe { ffi::resmem_first_frame_with_page(next, end) };
            if pfn >= end {
                break;
            }
            next = pfn + 1;
            let index = pfn - first;
            // SAFETY: The frame has a page.
            if !unsafe { ffi::resmem_frame_is_reserved(pfn) } {
                return Err(EBUSY);
            }
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(
                    Run {
                        start: index,
                        end: index + 1,
                    },
                    GFP_KERNEL,
                )?,
            }
        }
        // INVARIANT: The frames of the runs were just found to be reserved, and whoever passed in
        // the bounds of a reserved region owns them.
        Ok(Self { first, count, runs })
    }

    /// Whether every frame has a `struct page`.
    pub(crate) fn all_have_pages(&self) -> bool {
        self.runs.len() == 1 && self.pages_from(0) == self.count
    }

    /// Whether any frame has a `struct page`.
    pub(crate) fn some_have_pages(&self) -> bool {
        !self.runs.is_empty()
    }

    /// How many consecutive frames from `index` on have a `struct page`; 0 when that one has none.
    pub(crate) fn pages_from(&self, index: usize) -> usize {
        self.runs
            .iter()
            .find(|run| run.start <= index && index < run.end)
            .map_or(0, |run| run.end - index)
    }

    /// How many consecutive frames from `index` on have no `struct page`.
    pub(crate) fn holes_from(&self, index: usize) -> usize {
        let next = self.runs.iter().find(|run| run.end > index);
        next.map_or(self.count, |run| run.start)
            .saturating_sub(index)
    }

    /// The page of frame `index`, counted from the first; `ENXIO` when there is none.
    pub(crate) fn page(&self, index: usize) -> Result<BorrowedPage<'static>> {
        if self.pages_from(index) == 0 {
            return Err(ENXIO);
        }
        // SAFETY: The frame is one of a run, so it has a `struct page` by the type invariants.
        let page: *mut bindings::page = unsafe { ffi::resmem_frame_to_page(self.first + index) };
        // SAFETY: By the type invariants, the page is valid and is never freed; it is a single page
        // of order 0, as reserved pages are. `BorrowedPage` does not drop it.
        Ok(unsafe { BorrowedPage::from_raw(NonNull::new(page).ok_or(ENXIO)?) })
    }
}
