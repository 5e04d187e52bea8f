// SPDX-License-Identifier: GPL-2.0

//! A region in the address space of a process.
//!
//! Lock order: called with the process's `mmap_lock` held; takes `Region::lent`.

use core::ops::Range;

use kernel::{
    bindings,
    error::to_result,
    mm::virt::{
        flags as vm_flags,
        VmaNew, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::region::Region;

/// Pages that are mapped with one call.
const BATCH: usize = 512;

/// Maps whole pages of those of the region that `within` counts, all of them at once, so that they can be pinned: the target of
/// `O_DIRECT`, `vmsplice` and io_uring on the mapping. They are entered as pages, not as bare frames
/// (`VM_PFNMAP`), which nothing can pin; so they count as the process's resident memory. The vma's offset counts from
/// the first of `within`.
///
/// Of a region that a device shares, the range of a mapping that can be written to becomes the processors'; another
/// one shows what the device has written so far.
///
/// Errors: `EINVAL` for a mapping that leaves `within`, or where the region does not begin with a
/// page; `EACCES` for a writable mapping of what is not `writable`, or a private one that could become
/// writable; `ENXIO` where memory has no `struct page`.
pub(crate) fn map(region: &Region, within: Range<usize>, writable: bool, vma: &VmaNew) -> Result {
    // SAFETY: The vma is being set up, no other thread changes it.
    let offset = unsafe { (*vma.as_ptr()).vm_pgoff };
    let first = within.start.checked_add(offset).ok_or(EINVAL)?;
    let count = (vma.end() - vma.start()) / PAGE_SIZE;
    let end = first.checked_add(count).ok_or(EINVAL)?;
    let memory = region.memory();
    if end > within.end || memory.base() % PAGE_SIZE as u64 != 0 {
        return Err(EINVAL);
    }
    let shared = vma.flags() & vm_flags::SHARED != 0;
    if !writable || !shared {
        vma.try_clear_maywrite().map_err(|_| EACCES)?;
    }
    vma.try_clear_mayexec().map_err(|_| EACCES)?;
    vma.set_dontexpand();
    vma.set_dontdump();

    if count > 0 {
        // Before anything changes hands.
        if memory.frames().pages_from(first) < count {
            return Err(ENXIO);
        }
        let bytes = |pages: usize| pages as u64 * PAGE_SIZE as u64;
        if writable && shared {
            region.take(bytes(first), bytes(count))?;
        } else {
            region.look(bytes(first), bytes(count))?;
        }
    }
    vma.set_mixedmap();
    let mut pages: KVec<*mut bindings::page> = KVec::with_capacity(BATCH.min(count), GFP_KERNEL)?;
    for start in (0..count).step_by(BATCH) {
        pages.clear();
        for index in start..count.min(start + BATCH) {
            pages.push(memory.frames().pages(first + index)?.0.as_ptr(), GFP_KERNEL)?;
        }
        let mut left = pages.len();
        // SAFETY: The vma is being set up and is a mixed map, the addresses are in it; the pages are
        // valid, and stay reserved.
        to_result(unsafe {
            bindings::vm_insert_pages(
                vma.as_ptr(),
                vma.start() + start * PAGE_SIZE,
                pages.as_mut_ptr(),
                &mut left,
            )
        })?;
    }
    Ok(())
}
