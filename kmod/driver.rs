// SPDX-License-Identifier: GPL-2.0

//! The platform driver: from device-tree nodes to character devices.

use core::ffi::c_char;

use kernel::{
    bindings,
    device::Core,
    error::to_result,
    of,
    platform,
    prelude::*,
    str::{
        CStr,
        CString, //
    },
    sync::Arc, //
};

use crate::{
    chardev::CharDevice,
    ffi,
    region::Region, //
};

kernel::of_device_table!(
    OF_TABLE,
    <Driver as platform::Driver>::IdInfo,
    [(of::DeviceId::new(c"resdump,resmem"), ())]
);

/// A bound node: one character device for each region that it names.
pub(crate) struct Driver {
    _devices: KVec<Pin<KBox<CharDevice>>>,
}

impl platform::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Self;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev = pdev.as_ref();
        let node = Node::of(pdev).ok_or(ENODEV)?;
        let has = |name| {
            dev.fwnode()
                .is_some_and(|fwnode| fwnode.property_read_bool(name))
        };
        let writable = has(c"writable");
        let writer = has(c"device-writes").then_some(dev);

        let mut devices = KVec::new();
        let count = node
            .region_count()
            .inspect_err(|_| dev_err!(dev, "no usable memory-region property\n"))?;
        for index in 0..count {
            let unusable = |error: &Error| {
                dev_err!(dev, "memory-region {index}: not usable: {error:?}\n");
            };
            let (base, size) = node.place(index).inspect_err(unusable)?;
            let label = node.label(index).inspect_err(|error| {
                dev_err!(dev, "memory-region {index}: no usable label: {error:?}\n")
            })?;
            let region = Region::new(label, base, size, writable, writer)
                .and_then(|region| Arc::pin_init(region, GFP_KERNEL))
                .inspect_err(unusable)?;
            let device = CharDevice::register(region.clone())
                .and_then(|device| KBox::try_pin_init(device, GFP_KERNEL))
                .inspect_err(|error| dev_err!(dev, "{}: no device: {error:?}\n", region.label()))?;
            devices.push(device, GFP_KERNEL)?;
            // In hexadecimal only: on 32-bit machines the kernel's Rust has no 64-bit division, and
            // printing a u64 in decimal is a panic.
            let memory = region.memory();
            let (first, last) = (memory.base(), memory.base() + (memory.size() - 1));
            dev_info!(dev, "{}: [mem {first:#x}-{last:#x}]\n", region.label());
        }
        Ok(Self { _devices: devices })
    }
}

/// A device-tree node of ours.
///
/// # Invariants
///
/// `node` is valid for `'a`.
struct Node<'a> {
    node: *mut bindings::device_node,
    _device: core::marker::PhantomData<&'a platform::Device>,
}

impl<'a> Node<'a> {
    fn of(pdev: &'a platform::Device<Core<'_>>) -> Option<Self> {
        let dev: &kernel::device::Device<_> = pdev.as_ref();
        // SAFETY: `Device` is a transparent wrapper of `struct device`; a bound device keeps its
        // node.
        let node = unsafe { (*core::ptr::from_ref(dev).cast::<bindings::device>()).of_node };
        // INVARIANT: The node is that of a device that lives for `'a`.
        (!node.is_null()).then_some(Self {
            node,
            _device: core::marker::PhantomData,
        })
    }

    /// Number of entries of `memory-region`; `EINVAL` when there is none.
    fn region_count(&self) -> Result<u32> {
        // SAFETY: The node is valid by the type invariants.
        let count = unsafe { ffi::of_reserved_mem_region_count(self.node) };
        match u32::try_from(count) {
            Ok(0) => Err(EINVAL),
            Ok(count) => Ok(count),
            Err(_) => Err(Error::from_errno(count)),
        }
    }

    /// Physical address and size of the region that entry `index` of `memory-region` names.
    #[allow(
        clippy::useless_conversion,
        reason = "physical addresses have 32 bits on some machines"
    )]
    fn place(&self, index: u32) -> Result<(u64, u64)> {
        let mut resource: bindings::resource = pin_init::zeroed();
        // SAFETY: The node is valid by the type invariants, `resource` is ours.
        to_result(unsafe {
            ffi::of_reserved_mem_region_to_resource(self.node, index, &mut resource)
        })?;
        // SAFETY: The node is valid by the type invariants.
        if unsafe { ffi::resmem_region_is_reusable(self.node, index) } {
            // The kernel lends such memory to others.
            return Err(EBUSY);
        }
        let size = resource
            .end
            .checked_sub(resource.start)
            .and_then(|last| last.checked_add(1))
            .ok_or(EINVAL)?;
        Ok((resource.start.into(), size.into()))
    }

    /// `memory-region-names` entry `index`; without that property the name of the region's own node.
    ///
    /// Errors: `ENODATA` where the property has no such entry, `EILSEQ` where it is not made of strings, `ENODEV`
    /// where there is no such region.
    fn label(&self, index: u32) -> Result<CString> {
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
        let mut name = [0u8; crate::abi::LABEL_BYTES];
        // SAFETY: The node is valid by the type invariants; the buffer is ours and as long as said.
        let length = unsafe {
            ffi::resmem_region_node_name(self.node, index, name.as_mut_ptr(), name.len())
        };
        to_result(length)?;
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| EINVAL)?;
        Ok(CString::try_from(name)?)
    }
}
