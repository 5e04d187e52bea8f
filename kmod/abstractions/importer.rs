// SPDX-License-Identifier: GPL-2.0

//! Pages of a region as a scatter list that is mapped for the device of a driver that imports them.
//!
//! Lock order: no lock is taken here.

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*,
    types::Opaque, //
};

use super::{
    ffi,
    memory::Memory, //
};

/// Most bytes of an entry of a scatter list.
const SEGMENT_MAX: usize = 1 << 30;

/// Which way an importer moves bytes, or a processor is about to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It reads memory.
    ToDevice,
    /// It writes memory.
    FromDevice,
    /// Both.
    Both,
}

impl Direction {
    /// From an `enum dma_data_direction`; `EINVAL` for none.
    pub(super) fn from_raw(direction: u32) -> Result<Self> {
        match direction {
            ffi::RESMEM_DMA_TO_DEVICE => Ok(Self::ToDevice),
            ffi::RESMEM_DMA_FROM_DEVICE => Ok(Self::FromDevice),
            ffi::RESMEM_DMA_BIDIRECTIONAL => Ok(Self::Both),
            _ => Err(EINVAL),
        }
    }

    fn as_raw(self) -> u32 {
        match self {
            Self::ToDevice => ffi::RESMEM_DMA_TO_DEVICE,
            Self::FromDevice => ffi::RESMEM_DMA_FROM_DEVICE,
            Self::Both => ffi::RESMEM_DMA_BIDIRECTIONAL,
        }
    }
}

/// The device of an importer, during a call of it.
///
/// # Invariants
///
/// The device is valid, and by the rules of dma-buf stays so until what is mapped for it is unmapped.
pub(crate) struct Importer(pub(super) *mut bindings::device);

impl Importer {
    /// Bytes that an entry of a scatter list ends at a multiple of: a power of two, at least a page.
    fn segment(&self) -> usize {
        // SAFETY: The device is valid by the type invariants.
        let (most, boundary) = unsafe {
            (
                ffi::resmem_importer_segment(self.0),
                ffi::resmem_importer_boundary(self.0),
            )
        };
        let most = SEGMENT_MAX
            .min(most as usize)
            .min(boundary.saturating_add(1))
            .max(PAGE_SIZE);
        1 << most.ilog2()
    }
}

/// Which scatter list an importer gives back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(pub(super) *mut bindings::sg_table);

/// A scatter list of pages of a region, mapped for an importer. Unmapped when dropped.
///
/// # Invariants
///
/// `list` is initialised, and mapped for `importer` in `direction` if `mapped`.
pub(crate) struct Table {
    list: KBox<Opaque<bindings::sg_table>>,
    importer: Importer,
    direction: Direction,
    mapped: bool,
}

// SAFETY: A mapping may be used and given back on any thread.
unsafe impl Send for Table {}

impl Table {
    /// Maps `length` bytes of `memory` from `offset` on, whole pages that all have page structures.
    ///
    /// May sleep. Errors: `ENXIO` for a page without a structure, `ENOMEM`, what mapping fails with.
    pub(crate) fn new(
        memory: &Memory,
        offset: u64,
        length: usize,
        importer: Importer,
        direction: Direction,
    ) -> Result<Self> {
        let segment = importer.segment();
        let start = memory.base() + offset;
        // Where an address lies in its segment: that is less than a `usize`.
        let within = |address: u64| (address & (segment as u64 - 1)) as usize;
        let count = (within(start) + length).div_ceil(segment);
        let list = KBox::new(Opaque::uninit(), GFP_KERNEL)?;
        let count = u32::try_from(count).map_err(|_| EINVAL)?;
        // SAFETY: The list is ours, and is initialised by the call.
        to_result(unsafe { bindings::sg_alloc_table(list.get(), count, bindings::GFP_KERNEL) })?;
        // INVARIANT: It is initialised, and not mapped yet.
        let mut table = Self {
            list,
            importer,
            direction,
            mapped: false,
        };
        let (first, _) = memory.locate(offset);
        // SAFETY: The list is initialised.
        let mut entry = unsafe { (*table.list.get()).sgl };
        let mut at = 0;
        while at < length {
            let piece = (segment - within(start + at as u64)).min(length - at);
            let (page, pages) = memory.frames().pages(first + at / PAGE_SIZE)?;
            if pages < piece / PAGE_SIZE || entry.is_null() {
                return Err(ENXIO);
            }
            // SAFETY: The entry is one of the list; the page is the first of an array of structures, of pages that stay
            // reserved, for `piece` bytes.
            unsafe { ffi::resmem_table_set(entry, page.as_ptr(), piece as u32) };
            // SAFETY: The entry is one of the list.
            entry = unsafe { bindings::sg_next(entry) };
            at += piece;
        }
        // SAFETY: The device is valid, the list initialised, and all entries are set: there is one for each segment.
        to_result(unsafe {
            ffi::resmem_table_map(table.importer.0, table.list.get(), direction.as_raw())
        })?;
        // INVARIANT: It was just mapped.
        table.mapped = true;
        Ok(table)
    }

    /// What the importer knows it by.
    pub(crate) fn handle(&self) -> Handle {
        Handle(self.list.get())
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Processors see from now on what the importer's device wrote.
    pub(crate) fn sync_for_cpu(&self) {
        // SAFETY: Mapped by the type invariants: a table that is not is dropped by `new`.
        unsafe {
            ffi::resmem_table_sync_for_cpu(
                self.importer.0,
                self.list.get(),
                self.direction.as_raw(),
            )
        };
    }

    /// The importer's device sees from now on what processors wrote.
    pub(crate) fn sync_for_device(&self) {
        // SAFETY: As above.
        unsafe {
            ffi::resmem_table_sync_for_device(
                self.importer.0,
                self.list.get(),
                self.direction.as_raw(),
            )
        };
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.mapped {
            // SAFETY: By the type invariants; this is the last use of the mapping.
            unsafe {
                ffi::resmem_table_unmap(self.importer.0, self.list.get(), self.direction.as_raw())
            };
        }
        // SAFETY: It is initialised by the type invariants, and not used afterwards.
        unsafe { bindings::sg_free_table(self.list.get()) };
    }
}
