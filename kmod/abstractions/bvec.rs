// SPDX-License-Identifier: GPL-2.0

//! Bytes of a reserved region in the form that the block layer takes: one vector, whatever its size.

use core::ptr::NonNull;

use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

use super::memory::Memory;

/// Bytes of a region that all have page structures.
///
/// # Invariants
///
/// `page` is the first of an array of page structures that hold `length` bytes from byte `offset` on.
/// Their memory is reserved for as long as the system runs.
pub(crate) struct Span {
    page: NonNull<bindings::page>,
    offset: u32,
    length: u32,
}

impl Span {
    /// The `length` bytes from byte `offset` of `memory` on, a range within it.
    ///
    /// Errors: `ENXIO` when memory of the range has no page structure.
    pub(crate) fn new(memory: &Memory, offset: u64, length: u32) -> Result<Self> {
        let (index, within) = memory.locate(offset);
        let (page, count) = memory.frames().pages(index)?;
        if (count as u64 * PAGE_SIZE as u64) < within as u64 + u64::from(length) {
            return Err(ENXIO);
        }
        // INVARIANT: The frames from `index` on have pages for so many bytes; those of `Frames` are
        // one array, and reserved.
        Ok(Self {
            page: NonNull::new(page.as_ptr()).ok_or(ENXIO)?,
            offset: within as u32,
            length,
        })
    }

    /// The vector, which whatever it is handed to may keep.
    pub(super) fn as_bvec(&self) -> bindings::bio_vec {
        bindings::bio_vec {
            bv_page: self.page.as_ptr(),
            bv_len: self.length,
            bv_offset: self.offset,
        }
    }
}
