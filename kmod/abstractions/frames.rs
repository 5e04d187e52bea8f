// SPDX-License-Identifier: GPL-2.0

//! The page frames of a reserved region, and which of them have a `struct page`.
//!
//! No lock is taken here.

use core::{
    ops::Range,
    ptr::NonNull, //
};

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
use crate::{
    range,
    refusal::Refusal, //
};

/// Consecutive frames that have a `struct page`, by index.
struct Run {
    start: usize,
    end: usize,
}

/// What is wrong with a frame that has a page which can be taken from the region.
const IN_USE: Refusal = Refusal::new(
    EBUSY,
    c"the kernel uses a part of it as ordinary memory, or it is a device's own",
);

/// The frames that the bytes of a region lie in.
///
/// # Invariants
///
/// Every frame of `runs` has a valid `struct page`, by which the kernel reaches its bytes and which
/// carries `PG_reserved`: the boot-time allocator never handed it to the page allocator, and nothing
/// takes it back. (What the command line reserves under a name can be released under it. In the
/// kernel the tracer alone does so, with what `trace_instance=` gave it, which must not be a
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
    /// command line, memory that the firmware does not report). One that the kernel does not reach by
    /// its page (`no-map`, on machines that leave it out of the kernel's own mapping) counts as none:
    /// what copies from such a page, a pipe, a debugger, a driver that bounces, would fault. That is
    /// found out by reading a byte of each, once, which does not disturb a device that writes there.
    ///
    /// May sleep. Refusals: `EINVAL` for a range that is empty, wraps, or has frames whose numbers this
    /// machine cannot say; `EBUSY` for a frame that has a page which can be taken from the region.
    pub(crate) fn new(base: u64, size: u64) -> Result<Self, Refusal> {
        // The range does not wrap where it has frames.
        let reachable = |_: &(usize, usize)| {
            let last = base + (size - 1);
            last.checked_shr(ffi::RESMEM_PHYSICAL_BITS).unwrap_or(0) == 0
        };
        let (first, count) = range::frames(base, size, PAGE_SHIFT as u32)
            .filter(reachable)
            .ok_or(Refusal::new(
                EINVAL,
                c"its range is empty, wraps, or is beyond what this kernel can address",
            ))?;
        let mut runs: KVec<Run> = KVec::new();
        let end = first.checked_add(count).ok_or(EINVAL)?;
        let mut next = first;
        loop {
            let pfn = first_with_page(next, end);
            if pfn >= end {
                break;
            }
            // SAFETY: Any range may be asked for; those of it that have a page and are reserved are the region's, and
            // reading them has no effect.
            next = unsafe { ffi::resmem_first_frame_not_reached(pfn, end) };
            if next > pfn {
                runs.push(
                    Run {
                        start: pfn - first,
                        end: next - first,
                    },
                    GFP_KERNEL,
                )?;
                continue;
            }
            // SAFETY: The frame has a page.
            if !unsafe { ffi::resmem_frame_is_reserved(pfn) } {
                return Err(IN_USE);
            }
            next = pfn + 1;
        }
        // INVARIANT: The frames of the runs were just found to be reserved, and the caller, which passed
        // in the bounds of a reserved region, owns them.
        Ok(Self { first, count, runs })
    }

    /// Whether none of `count` frames from `index` on, which are a hole, has got a page since: memory that
    /// was added while the kernel runs is the kernel's.
    pub(crate) fn is_still_hole(&self, index: usize, count: usize) -> bool {
        let end = self.first + index + count;
        let mut next = self.first + index;
        loop {
            let pfn = first_with_page(next, end);
            if pfn >= end {
                return true;
            }
            // One that was not reached has a page all along, and keeps it.
            // SAFETY: The frame has a page. Any range may be asked for.
            let (reserved, reached) = unsafe {
                (
                    ffi::resmem_frame_is_reserved(pfn),
                    ffi::resmem_first_frame_not_reached(pfn, pfn + 1) > pfn,
                )
            };
            if !reserved || reached {
                return false;
            }
            next = pfn + 1;
        }
    }

    /// The runs of frames that have a `struct page`, by index, in order; they do not touch.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.runs.iter().map(|run| run.start..run.end)
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

    /// The page of frame `index`, counted from the first, and how many consecutive frames from that on have one;
    /// `ENXIO` when it has none.
    pub(crate) fn pages(&self, index: usize) -> Result<(BorrowedPage<'static>, usize)> {
        let count = self.pages_from(index);
        if count == 0 {
            return Err(ENXIO);
        }
        // SAFETY: The frame is one of a run, so it has a `struct page` by the type invariants.
        let page: *mut bindings::page = unsafe { ffi::resmem_frame_to_page(self.first + index) };
        // SAFETY: By the type invariants, the page is valid and is never freed; it is a single page
        // of order 0, as reserved pages are. `BorrowedPage` does not drop it.
        let page = unsafe { BorrowedPage::from_raw(NonNull::new(page).ok_or(ENXIO)?) };
        Ok((page, count))
    }
}

/// The first frame from `pfn` on and before `end` that has a page; `end` if there is none. Not frame by frame: a
/// region may be far larger than the memory map.
fn first_with_page(pfn: usize, end: usize) -> usize {
    // SAFETY: Any range may be asked for.
    unsafe { ffi::resmem_first_frame_with_page(pfn, end) }
}

#[kunit_tests(resmem_frames)]
mod tests {
    use kernel::page::PAGE_SIZE;

    use super::*;

    fn is_readable(address: usize) -> bool {
        // SAFETY: Any address may be asked for.
        unsafe { ffi::resmem_is_readable(core::ptr::without_provenance(address)) }
    }

    #[test]
    fn memory_that_the_kernel_does_not_map_is_not_read() -> Result {
        // Behind each area of vmalloc() there is a page without a mapping.
        let area: VVec<u8> = VVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?;
        let start = area.as_ptr().addr();
        assert!(is_readable(start) && is_readable(start + PAGE_SIZE - 1));
        assert!(!is_readable(start + PAGE_SIZE));
        Ok(())
    }

    #[test]
    fn a_hole_that_has_got_pages_is_none_any_more() {
        let hole = |first| Frames {
            first,
            count: 1,
            runs: KVec::new(),
        };
        // INVARIANT: None of these claims a page.
        let most = usize::MAX >> PAGE_SHIFT;
        assert!(hole(most - 1).is_still_hole(0, 1));
        assert!(!hole(first_with_page(0, most)).is_still_hole(0, 1));
    }
}
