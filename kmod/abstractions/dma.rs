// SPDX-License-Identifier: GPL-2.0

//! Streaming DMA mappings of parts of a region, on a machine whose caches do not see what devices do.
//!
//! Mapping and unmapping leave caches alone; what is done to them is said by [`Dma::refresh`] and
//! [`Dma::write_back`] (the DMA API's `DMA_ATTR_SKIP_CPU_SYNC`). Who owns what is in [`crate::lent`].
//!
//! No lock is taken here.

use core::ops::Range;

use kernel::{
    bindings,
    device::{
        Core,
        Device, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

use super::{
    ffi,
    memory::Memory, //
};
use crate::{
    lent::Lender,
    refusal::Refusal, //
};

/// What a device does to a region.
#[derive(Clone, Copy, Default)]
pub(crate) struct Access {
    /// It writes.
    pub(crate) writes: bool,
    /// It reads.
    pub(crate) reads: bool,
}

/// Most bytes of one sync: some processors do one with interrupts off.
const PIECE: u64 = 64 << 10;

/// The device that a region's node stands for, whose caches are not coherent.
///
/// # Invariants
///
/// `device` is bound to our driver for as long as the value lives: the driver's `unbind` drops it.
pub(crate) struct Dma {
    device: ARef<Device>,
    base: u64,
    /// The parts of the region in which every frame has a page.
    extents: KVec<Range<u64>>,
    direction: u32,
    line: u64,
}

/// Whether processors' caches see what `device`, or what it stands for, does.
pub(crate) fn is_coherent(device: &Device<Core<'_>>) -> bool {
    // SAFETY: The device is valid.
    unsafe { ffi::resmem_dma_is_coherent(as_raw(device)) }
}

impl Dma {
    /// For a region that `device`, whose caches are not coherent, accesses as `access` says and processors may
    /// write to if `writable`.
    ///
    /// May sleep. Refusals: `EOPNOTSUPP` where the kernel would map copies of the memory, `EINVAL` where a cache
    /// line at an end is shared with a neighbour.
    pub(crate) fn new(
        device: &Device<Core<'_>>,
        memory: &Memory,
        access: Access,
        writable: bool,
    ) -> Result<Self, Refusal> {
        // SAFETY: The device is being bound to our driver.
        to_result(unsafe { ffi::resmem_dma_prepare(as_raw(device)) }).map_err(|_| {
            Refusal::new(
                EOPNOTSUPP,
                c"the device would work on copies of the memory (swiotlb), or reaches a part only",
            )
        })?;
        // SAFETY: May be asked at any time.
        let line = u64::from(unsafe { ffi::resmem_dma_line() }).max(1);
        if (memory.base() | memory.size()) & (line - 1) != 0 {
            // Whatever is done to that line is done to what the neighbour has in it.
            return Err(Refusal::new(
                EINVAL,
                c"its ends are not those of cache lines, and a device shares it",
            ));
        }
        let direction = match (access.writes, access.reads || writable) {
            (true, true) => ffi::RESMEM_DMA_BIDIRECTIONAL,
            (true, false) => ffi::RESMEM_DMA_FROM_DEVICE,
            (false, _) => ffi::RESMEM_DMA_TO_DEVICE,
        };
        let device: &Device = device;
        // INVARIANT: It is being bound, and the driver's `unbind` drops what it has.
        Ok(Self {
            device: device.into(),
            base: memory.base(),
            extents: memory.with_pages()?,
            direction,
            line,
        })
    }

    /// Hands `sync` the pieces of a range that begins `offset` bytes into a mapping.
    fn in_pieces(mapping: &Mapping, within: Range<u64>, mut sync: impl FnMut(u64, usize)) {
        let end = within.end.min(mapping.size as u64);
        let mut at = within.start;
        while at < end {
            let piece = PIECE.min(end - at);
            sync(mapping.address + at, piece as usize);
            at += piece;
        }
    }
}

impl Lender for Dma {
    type Mapping = Mapping;

    fn line(&self) -> u64 {
        self.line
    }

    fn extents(&self) -> &[Range<u64>] {
        &self.extents
    }

    fn map(&self, range: Range<u64>) -> Result<Mapping> {
        let holds = |extent: &Range<u64>| extent.start <= range.start && range.end <= extent.end;
        if range.is_empty() || !self.extents.iter().any(holds) {
            return Err(EINVAL);
        }
        let size = usize::try_from(range.end - range.start).map_err(|_| EOPNOTSUPP)?;
        let mut address = 0;
        // SAFETY: The device is bound by the type invariants; every frame of the range has a page; `address` is
        // ours.
        to_result(unsafe {
            ffi::resmem_dma_map(
                as_raw(&self.device),
                self.base + range.start,
                size,
                self.direction,
                &mut address,
            )
        })?;
        // INVARIANT: It was just mapped.
        Ok(Mapping {
            device: self.device.clone(),
            address,
            size,
            direction: self.direction,
        })
    }

    fn refresh(&self, mapping: &Mapping, within: Range<u64>) {
        if self.direction == ffi::RESMEM_DMA_TO_DEVICE {
            return;
        }
        Self::in_pieces(mapping, within, |address, length| {
            // SAFETY: The device is bound; the piece is part of what was mapped.
            unsafe { ffi::resmem_dma_sync_for_cpu(as_raw(&self.device), address, length) }
        });
    }

    fn write_back(&self, mapping: &Mapping, within: Range<u64>) {
        Self::in_pieces(mapping, within, |address, length| {
            // SAFETY: The device is bound; the piece is part of what was mapped.
            unsafe {
                ffi::resmem_dma_sync_for_device(
                    as_raw(&self.device),
                    address,
                    length,
                    self.direction,
                )
            }
        });
    }
}

/// A part of a region, mapped for its device. Unmapped when dropped.
///
/// # Invariants
///
/// `address` is what mapping `size` bytes for `device` in `direction` returned. [`crate::lent`] drops it before
/// the driver is unbound.
pub(crate) struct Mapping {
    device: ARef<Device>,
    address: u64,
    size: usize,
    direction: u32,
}

// SAFETY: A mapping may be used and given back on any thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; this is its last use.
        unsafe {
            ffi::resmem_dma_unmap(
                as_raw(&self.device),
                self.address,
                self.size,
                self.direction,
            )
        };
    }
}

fn as_raw<C: kernel::device::DeviceContext>(device: &Device<C>) -> *mut bindings::device {
    // `Device` is a transparent wrapper of `struct device`.
    core::ptr::from_ref(device).cast_mut().cast()
}
