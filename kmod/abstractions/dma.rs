// SPDX-License-Identifier: GPL-2.0

//! Who owns the bytes of a region that a device writes: the device, or the processors.
//!
//! The DMA API's own contract for a buffer that is mapped once and used many times
//! (`Documentation/core-api/dma-api.rst`, part Id): between a sync for the device and the next sync
//! for the processors, processors keep off. On a machine whose caches see what devices do, a sync is
//! nothing.
//!
//! No lock is taken here.

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

use super::ffi;
use crate::abi;

/// Who may touch the bytes from now on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The processors.
    Cpu,
    /// The device.
    Device,
}

impl TryFrom<u32> for Owner {
    type Error = Error;

    /// From `SYNC_FOR_*`.
    fn try_from(direction: u32) -> Result<Self> {
        match direction {
            abi::SYNC_FOR_CPU => Ok(Self::Cpu),
            abi::SYNC_FOR_DEVICE => Ok(Self::Device),
            _ => Err(EINVAL),
        }
    }
}

/// Most bytes of one sync: some processors do one with interrupts off.
const PIECE: u64 = 64 << 10;

/// The mapping of a whole region for the device that its node stands for.
///
/// # Invariants
///
/// `address` is what mapping `size` bytes for `device` returned, and the driver is bound to it.
pub(crate) struct Mapping {
    device: ARef<Device>,
    address: u64,
    size: usize,
    writable: bool,
}

// SAFETY: A mapping may be used and given back on any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the `size` bytes from physical address `base`, all of which have a `struct page`; the
    /// processors own them. With `writable`, what processors wrote before a sync is kept on PowerPC;
    /// arm64 may drop it.
    ///
    /// May sleep. Errors: `EOPNOTSUPP` when the range cannot be mapped for the device.
    pub(crate) fn new(
        device: &Device<Core<'_>>,
        base: u64,
        size: u64,
        writable: bool,
    ) -> Result<Self> {
        let size = usize::try_from(size).map_err(|_| EOPNOTSUPP)?;
        let mut address = 0;
        // SAFETY: The device is being bound to our driver; the range has page structures, and
        // `address` is ours.
        to_result(unsafe {
            ffi::resmem_dma_map(as_raw(device), base, size, writable, &mut address)
        })
        .map_err(|_| EOPNOTSUPP)?;
        let device: &Device = device;
        // INVARIANT: It was just mapped.
        Ok(Self {
            device: device.into(),
            address,
            size,
            writable,
        })
    }

    /// Whether a sync does anything.
    pub(crate) fn noncoherent(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { ffi::resmem_dma_need_sync(as_raw(&self.device), self.address) }
    }

    /// Makes `owner` the owner of `length` bytes from `offset` on, which are in the region.
    pub(crate) fn sync(&self, offset: u64, length: u64, owner: Owner) {
        let mut at = offset;
        while at < offset + length {
            let piece = PIECE.min(offset + length - at);
            // SAFETY: By the type invariants; the range is part of what was mapped.
            unsafe {
                ffi::resmem_dma_sync(
                    as_raw(&self.device),
                    self.address + at,
                    piece as usize,
                    owner == Owner::Cpu,
                    self.writable,
                )
            };
            at += piece;
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; nobody uses it any more.
        unsafe {
            ffi::resmem_dma_unmap(as_raw(&self.device), self.address, self.size, self.writable)
        };
    }
}

fn as_raw<C: kernel::device::DeviceContext>(device: &Device<C>) -> *mut bindings::device {
    // `Device` is a transparent wrapper of `struct device`.
    core::ptr::from_ref(device).cast_mut().cast()
}
