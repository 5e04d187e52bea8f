// SPDX-License-Identifier: GPL-2.0

//! Reserved memory by name: entries of a device-tree node's `memory-region`, and what the kernel's own
//! parameter `reserve_mem=` reserved.
//!
//! No lock is taken here but by the kernel, to look a node or a name up.

use core::{
    ffi::c_char,
    marker::PhantomData, //
};

use kernel::{
    bindings,
    device::Core,
    error::to_result,
    platform,
    prelude::*,
    str::{
        CStr,
        CString, //
    }, //
};

use super::{
    ffi,
    syscon::Syscon, //
};
use crate::{
    abi::LABEL_BYTES,
    refusal::Refusal, //
};

/// A device-tree node with a `memory-region`.
///
/// # Invariants
///
/// `node` is valid for `'a`.
pub(crate) struct Node<'a> {
    node: *mut bindings::device_node,
    _device: PhantomData<&'a platform::Device>,
}

impl<'a> Node<'a> {
    /// That of `pdev`, if it has one.
    pub(crate) fn of(pdev: &'a platform::Device<Core<'_>>) -> Option<Self> {
        let dev: &kernel::device::Device<_> = pdev.as_ref();
        // SAFETY: `Device` is a transparent wrapper of `struct device`; a bound device keeps its
        // node.
        let node = unsafe { (*core::ptr::from_ref(dev).cast::<bindings::device>()).of_node };
        // INVARIANT: The node is that of a device that lives for `'a`.
        (!node.is_null()).then_some(Self {
            node,
            _device: PhantomData,
        })
    }

    /// Physical address and size of the entry of `reg` that `reg-names` has under `name`; `None` for a node without
    /// `reg`. `EINVAL` where `reg-names` has no such name; what the entry's translation fails with.
    pub(crate) fn named_reg(&self, name: &CStr) -> Result<Option<(u64, u64)>> {
        let (mut start, mut size) = (0, 0);
        // SAFETY: The node is valid by the type invariants, the name NUL-terminated, the rest is ours.
        match to_result(unsafe {
            ffi::resmem_named_reg(self.node, name.as_char_ptr(), &mut start, &mut size)
        }) {
            Err(ENODATA) => Ok(None),
            result => result.map(|()| Some((start, size))),
        }
    }

    /// The register of a system controller that `syscon` names, or the one at `other` of that controller, and its offset
    /// there; `None` without that property. Errors: see [`Syscon::of`].
    pub(crate) fn syscon(&self, other: Option<u32>) -> Result<Option<(Syscon, u32)>> {
        // SAFETY: The node is valid by the type invariants.
        match unsafe { Syscon::of(self.node, other) } {
            Err(ENODATA) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Number of entries of `memory-region`; `EINVAL` when there is none.
    pub(crate) fn region_count(&self) -> Result<u32> {
        // SAFETY: The node is valid by the type invariants.
        let count = unsafe { ffi::of_reserved_mem_region_count(self.node) };
        match u32::try_from(count) {
            Ok(0) => Err(EINVAL),
            Ok(count) => Ok(count),
            Err(_) => Err(Error::from_errno(count)),
        }
    }

    /// Physical address and size of the region that entry `index` of `memory-region` names. Refusals say what is
    /// wrong with its node.
    #[allow(
        clippy::useless_conversion,
        reason = "physical addresses have 32 bits on some machines"
    )]
    pub(crate) fn place(&self, index: u32) -> Result<(u64, u64), Refusal> {
        // SAFETY: The node is valid by the type invariants.
        let flags = unsafe { ffi::resmem_region_node_flags(self.node, index) };
        if let Some(refusal) = refusal(flags) {
            return Err(refusal);
        }
        let (bytes, entry) = self.reg(index);
        if bytes == 0 || bytes % entry != 0 {
            return Err(Refusal::new(
                EINVAL,
                c"its reg is not made of whole addresses and sizes",
            ));
        }
        let mut resource: bindings::resource = pin_init::zeroed();
        // SAFETY: The node is valid by the type invariants, `resource` is ours.
        to_result(unsafe {
            ffi::of_reserved_mem_region_to_resource(self.node, index, &mut resource)
        })
        .map_err(|error| {
            Refusal::new(
                error,
                c"the kernel has not reserved it, and said why when it started",
            )
        })?;
        let size = resource
            .end
            .checked_sub(resource.start)
            .and_then(|last| last.checked_add(1))
            .ok_or(Refusal::new(EINVAL, c"its range is all memory, or wraps"))?;
        Ok((resource.start.into(), size.into()))
    }

    /// Number of entries of the region's `reg`; 1 for a region without, which the kernel places.
    pub(crate) fn reg_entries(&self, index: u32) -> u32 {
        let (bytes, entry) = self.reg(index);
        bytes / entry
    }

    /// Bytes of the region's `reg`, and of one entry, not 0.
    fn reg(&self, index: u32) -> (u32, u32) {
        let mut entry = 0;
        // SAFETY: The node is valid by the type invariants, `entry` is ours.
        let bytes = unsafe { ffi::resmem_region_reg_bytes(self.node, index, &mut entry) };
        match u32::try_from(bytes) {
            Ok(bytes) => (bytes, entry.max(1)),
            Err(_) => (1, 1),
        }
    }

    /// `memory-region-names` entry `index`; without that property the name of the region's own node.
    ///
    /// Errors: `ENODATA` where the property has no such entry, `EILSEQ` where it is not made of strings, `ENODEV`
    /// where there is no such region.
    pub(crate) fn label(&self, index: u32) -> Result<CString> {
        let mut label: *const c_char = core::ptr::null();
        // SAFETY: The node is valid by the type invariants, `label` is ours.
        let named = to_result(unsafe { ffi::resmem_region_label(self.node, index, &mut label) });
        match named {
            // SAFETY: The function found a NUL-terminated string within the node's property, which
            // stays as long as the node.
            Ok(()) => return Ok(CString::try_from(unsafe { CStr::from_char_ptr(label) })?),
            // No such property.
            Err(EINVAL) => {}
            Err(error) => return Err(error),
        }
        let mut name = [0u8; LABEL_BYTES];
        // SAFETY: The node is valid by the type invariants; the buffer is ours and as long as said.
        let length = unsafe {
            ffi::resmem_region_node_name(self.node, index, name.as_mut_ptr(), name.len())
        };
        to_result(length)?;
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| EINVAL)?;
        Ok(CString::try_from(name)?)
    }
}

/// What is wrong with a region's node, by its flags, if anything is.
fn refusal(flags: u32) -> Option<Refusal> {
    let is = |flag: u32| flags & flag != 0;
    let (errno, cause) = match () {
        () if !is(ffi::RESMEM_NODE_FOUND) => (ENODEV, c"there is no such node"),
        () if !is(ffi::RESMEM_NODE_AVAILABLE) => (ENODEV, c"its node is disabled"),
        () if !is(ffi::RESMEM_NODE_BELOW_RESERVED_MEMORY) => {
            (EINVAL, c"its node is not below /reserved-memory")
        }
        () if !is(ffi::RESMEM_NODE_CELLS_AS_ROOT) => (
            EINVAL,
            c"/reserved-memory has other #address-cells or #size-cells than the root, so the kernel reserves nothing",
        ),
        () if is(ffi::RESMEM_NODE_REUSABLE) => {
            (EBUSY, c"it is reusable: the kernel lends it to others")
        }
        () => return None,
    };
    Some(Refusal::new(errno, cause))
}

/// The module's parameter `reserve_mem`, if it was given.
pub(crate) fn parameter() -> Option<&'static CStr> {
    // SAFETY: Parameters are set before the module is initialised, and cannot be changed later.
    let list = unsafe { ffi::resmem_reserve_mem_parameter() };
    // SAFETY: A parameter is NUL-terminated and stays as long as the module.
    (!list.is_null()).then(|| unsafe { CStr::from_char_ptr(list) })
}

/// Physical address and size of what `reserve_mem=` reserved under `name`; `ENOENT` for nothing.
#[allow(
    clippy::useless_conversion,
    reason = "physical addresses have 32 bits on some machines"
)]
pub(crate) fn by_name(name: &CStr) -> Result<(u64, u64)> {
    let (mut start, mut size): (bindings::phys_addr_t, bindings::phys_addr_t) = (0, 0);
    // SAFETY: The name is NUL-terminated, the rest is ours.
    let found = unsafe { ffi::reserve_mem_find_by_name(name.as_char_ptr(), &mut start, &mut size) };
    if found == 0 {
        return Err(ENOENT);
    }
    Ok((start.into(), size.into()))
}
