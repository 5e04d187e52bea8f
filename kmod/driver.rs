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
        Interrupts,
        Progress,
        Pull,
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
///
/// Fields are dropped in this order: what an interrupt starts has ended when the devices go.
pub(crate) struct Bound<'bound> {
    wake: Option<Interrupt<'bound, Wake>>,
    pull: Option<Interrupt<'bound, Pull>>,
    progress: Option<Following>,
    devices: KVec<Device>,
}

/// Who follows the device of a bound node. When that is dropped, as after a probe that failed, no worker of it is in the
/// module's code any more.
struct Following(Arc<Progress>);

impl Drop for Following {
    fn drop(&mut self) {
        // Its interrupts are gone.
        self.0.unbind(|| {});
    }
}

/// Name of the interrupt by which a device says that it got on.
const PROGRESS: &CStr = c"progress";
/// And of the one by which it says that what it writes now is wanted.
const TRIGGER: &CStr = c"trigger";

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

        // A probe that fails drops them in the order of `Bound`: the last one first.
        let mut devices = KVec::new();
        let mut progress: Option<Following> = None;
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
                progress = follow(pdev, &node, &region)
                    .inspect_err(refused)?
                    .map(Following);
            }
            let follower = progress.as_ref().map(|following| following.0.clone());
            let device = Device::register(region.clone(), follower)
                .inspect_err(|error| dev_err!(dev, "{}: no device: {error:?}\n", region.label()))?;
            devices.push(device, GFP_KERNEL)?;
            // In hexadecimal only: on 32-bit machines the kernel's Rust has no 64-bit division, and
            // printing a u64 in decimal is a panic.
            let memory = region.memory();
            let (first, last) = (memory.base(), memory.base() + (memory.size() - 1));
            dev_info!(dev, "{}: [mem {first:#x}-{last:#x}]\n", region.label());
        }
        // What it wakes is there already.
        let (mut wake, mut pull) = (None, None);
        if let Some(Following(progress)) = &progress {
            let interrupts = progress.interrupts();
            let refused = |error: &Error| {
                dev_err!(dev, "an interrupt cannot be requested: {error:?}\n");
            };
            if interrupts.progress {
                let handler = Wake(progress.clone());
                wake = Some(Interrupt::new(pdev, PROGRESS, handler).inspect_err(refused)?);
            }
            if interrupts.trigger {
                let handler = Pull(progress.clone());
                pull = Some(Interrupt::new(pdev, TRIGGER, handler).inspect_err(refused)?);
            }
        }
        Ok(Bound {
            wake,
            pull,
            progress,
            devices,
        })
    }

    fn unbind<'bound>(_pdev: &'bound platform::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        if let Some(Following(progress)) = &this.progress {
            progress.unbind(|| {
                if let Some(wake) = &this.wake {
                    wake.synchronize();
                }
                if let Some(pull) = &this.pull {
                    pull.synchronize();
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
    let Some(described) = binding::describe(properties, node, region)? else {
        return Ok(None);
    };
    let interrupts = Interrupts {
        progress: Interrupt::<Wake>::exists(pdev, PROGRESS)?,
        trigger: Interrupt::<Pull>::exists(pdev, TRIGGER)?,
    };
    // The kernel answers the same for an interrupt that is not there and for one that it cannot map.
    let is_named = |name| {
        properties
            .property_match_string(c"interrupt-names", name)
            .is_ok()
    };
    let (progress, trigger) = (is_named(PROGRESS), is_named(TRIGGER));
    let has_names = properties.property_present(c"interrupt-names");
    if (progress, trigger) != (interrupts.progress, interrupts.trigger)
        || has_names && !progress && !trigger
    {
        return Err(Refusal::new(
            EINVAL,
            c"an interrupt is not named progress or trigger, or has no interrupt-parent that the kernel knows",
        ));
    }
    Ok(Some(Progress::new(region.clone(), described, interrupts)?))
}
