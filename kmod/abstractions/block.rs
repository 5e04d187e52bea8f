// SPDX-License-Identifier: GPL-2.0

//! Memory of one's own that a device may reach: whole pages, contiguous, each of which may be referenced by
//! itself.
//!
//! Not `kmalloc()`: pages of the slab allocator have no reference counts, and a network file system takes
//! references to what it sends.

use core::{
    ptr::NonNull,
    slice, //
};

use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

use super::ffi;

/// A block of pages, a power of two of them.
///
/// # Invariants
///
/// `page` is the head of a compound page of order `order` in low memory, of which we own a reference, and
/// whose bytes are initialised.
pub(crate) struct Block {
    page: NonNull<bindings::page>,
    order: u32,
}

// SAFETY: Pages may be used and given back by any thread.
unsafe impl Send for Block {}
// SAFETY: There are no `&self` methods that write.
unsafe impl Sync for Block {}

impl Block {
    /// At least `length` bytes of zeroes. May sleep. `ENOMEM`.
    pub(crate) fn new(length: usize) -> Result<Self> {
        let pages = length.div_ceil(PAGE_SIZE).next_power_of_two();
        let order = pages.trailing_zeros();
        // SAFETY: Any order may be asked for.
        let page = unsafe { bindings::alloc_pages(ffi::RESMEM_GFP_BLOCK, order) };
        // INVARIANT: It was just allocated, as a compound page, zeroed, and not from high memory.
        Ok(Self {
            page: NonNull::new(page).ok_or(ENOMEM)?,
            order,
        })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        PAGE_SIZE << self.order
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants the page is mapped for so many bytes, and nothing writes to them
        // while we are borrowed: a caller that lends the pages to a device does not touch them meanwhile.
        unsafe { slice::from_raw_parts(self.address(), self.len()) }
    }

    /// The bytes, to be written to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As above, and we are borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.address(), self.len()) }
    }

    fn address(&self) -> *mut u8 {
        // SAFETY: A page of low memory has an address.
        unsafe { ffi::resmem_page_address(self.page.as_ptr()) }.cast()
    }

    /// The first `length` bytes as a vector. What it is handed to must be done with the bytes before they are
    /// used again, and may keep references to the pages for longer.
    pub(super) fn as_bvec(&self, length: u32) -> bindings::bio_vec {
        bindings::bio_vec {
            bv_page: self.page.as_ptr(),
            bv_len: length,
            bv_offset: 0,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours to give back.
        unsafe { bindings::__free_pages(self.page.as_ptr(), self.order) };
    }
}

#[kunit_tests(resmem_block)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_zeroed_and_as_long_as_asked_for() -> Result {
        let block = Block::new(32 << 10)?;
        assert!(block.len() >= 32 << 10 && block.bytes().iter().all(|byte| *byte == 0));
        Ok(())
    }

    #[test]
    fn the_network_may_refer_to_each_page_of_a_block() -> Result {
        let block = Block::new(4 * PAGE_SIZE)?;
        for index in 0..4 {
            // SAFETY: The block has four pages, whose page structures are one array.
            assert!(unsafe { ffi::resmem_sendpage_ok(block.page.as_ptr().add(index)) });
        }
        Ok(())
    }
}
