// SPDX-License-Identifier: GPL-2.0

//! The platform driver: from device-tree nodes to character devices.
//!
//! No lock is taken here but by what is called; the driver core holds the device's own lock.

use kernel::{
    device::Core,
    of,
    platform,
    prelude::*,
    sync::Arc, //
};

use crate::{
    abstractions::{
        dma::Access,
        irq::Interrupt,
        reserved::Node, //
    },
    binding,
    device::Device,
    progress::{
        Progress,
        Wake, //
    },
    refusal::Refusal,
    region::Region, //
};

/// What a node of ours is compatible with.
pub(crate) const COMPATIBLE: &CStr = c"resdump,resmem";

kernel::of_device_table!(
    OF_TABLE,
    <Driver as platform::Driver>::IdInfo,
    [(of::DeviceId::new(COMPATIBLE), ())]
);

pub(crate) struct Driver;

/// A bound node: one character device for each region that it names, and who follows the device in the only one.
pub(crate) struct Bound<'bound> {
    devices: KVec<Device>,
    progress: Option<Arc<Progress>>,
    interrupt: Option<Interrupt<'bound, Wake>>,
}

/// Name of the interrupt by which a device says that it got on.
const PROGRESS: &CStr = c"progress";

impl platform::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Bound<'bound>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Bound<'bound>, Error> + 'bound {
        let dev = pdev.as_ref();
        let node = Node::of(pdev).ok_or(ENODEV)?;
        let has = |name| {
            dev.fwnode()
                .is_some_and(|fwnode| fwnode.property_read_bool(name))
        };
        let writable = has(c"writable");
        let access = Access {
            writes: has(c"device-writes"),
            reads: has(c"device-reads"),
        };
        let sharer = (access.writes || access.reads).then_some((dev, access));

        let mut devices = KVec::new();
        let mut progress = None;
        let count = node
            .region_count()
            .inspect_err(|_| dev_err!(dev, "no usable memory-region property\n"))?;
        for index in 0..count {
            let refused = |refusal: &Refusal| {
                dev_err!(dev, "memory-region {index}: {refusal}\n");
            };
            let (base, size) = node.place(index).inspect_err(refused)?;
            if node.reg_entries(index) > 1 {
                dev_warn!(
                    dev,
                    "memory-region {index}: its reg has several entries, the kernel reserves the first only\n"
                );
            }
            let label = node.label(index).inspect_err(|error| {
                dev_err!(dev, "memory-region {index}: no usable label: {error:?}\n")
            })?;
            let region = Region::new(label, base, size, writable, sharer)
                .and_then(|region| Ok(Arc::pin_init(region, GFP_KERNEL)?))
                .inspect_err(refused)?;
            if count == 1 {
                progress = follow(pdev, &node, &region).inspect_err(refused)?;
            }
            let device = Device::register(region.clone(), progress.clone())
                .inspect_err(|error| dev_err!(dev, "{}: no device: {error:?}\n", region.label()))?;
            devices.push(device, GFP_KERNEL)?;
            // In hexadecimal only: on 32-bit machines the kernel's Rust has no 64-bit division, and
            // printing a u64 in decimal is a panic.
            let memory = region.memory();
            let (first, last) = (memory.base(), memory.base() + (memory.size() - 1));
            dev_info!(dev, "{}: [mem {first:#x}-{last:#x}]\n", region.label());
        }
        // What it wakes is there already.
        let interrupt = match &progress {
            Some(progress) if Interrupt::<Wake>::exists(pdev, PROGRESS)? => {
                Some(Interrupt::new(pdev, PROGRESS, Wake(progress.clone()))?)
            }
            _ => None,
        };
        Ok(Bound {
            devices,
            progress,
            interrupt,
        })
    }

    fn unbind<'bound>(_pdev: &'bound platform::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        if let Some(progress) = &this.progress {
            progress.unbind(|| {
                if let Some(interrupt) = &this.interrupt {
                    interrupt.synchronize();
                }
            });
        }
        // The nodes go when `this` is dropped, and that is after the device may be used for DMA.
        for device in &this.devices {
            device.unbind();
        }
    }
}

/// Who follows the device in `region`, if the node says where its position is.
fn follow(
    pdev: &platform::Device<Core<'_>>,
    node: &Node<'_>,
    region: &Arc<Region>,
) -> Result<Option<Arc<Progress>>, Refusal> {
    let Some(properties) = pdev.as_ref().fwnode() else {
        return Ok(None);
    };
    let Some((source, position)) = binding::position(properties, node, region)? else {
        return Ok(None);
    };
    let has_interrupt = Interrupt::<Wake>::exists(pdev, PROGRESS)?;
    // The kernel answers the same for an interrupt that is not there and for one that it cannot map.
    if !has_interrupt && properties.property_present(c"interrupt-names") {
        return Err(Refusal::new(
            EINVAL,
            c"its interrupt is not named progress, or has no interrupt-parent that the kernel knows",
        ));
    }
    let progress = Progress::new(region.clone(), source, position, has_interrupt)?;
    Ok(Some(progress))
}
