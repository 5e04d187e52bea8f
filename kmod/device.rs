// SPDX-License-Identifier: GPL-2.0

//! A region's character device, `/dev/resmem/<label>`.
//!
//! Lock order: registering and removing a device takes the lock of the labels and the kernel's `misc_mtx`, one after
//! the other, and `Region::lent`, each alone.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

use crate::{
    abstractions::chardev::CharDevice,
    fops::{
        Node,
        OpenRegion, //
    },
    labels::Claim,
    progress::Progress,
    region::Region, //
};

/// A registered device. Dropping it removes the node; files that are open keep the region.
///
/// Fields are dropped in this order: nothing can be opened any more when the region is unbound from the device
/// that writes it, and the label is free when its node is gone.
pub(crate) struct Device {
    _node: Pin<KBox<CharDevice<OpenRegion>>>,
    bound: Bound,
    _label: Claim,
}

impl Device {
    /// Registers a device for `region`, whose device's position is followed by `progress`. May sleep. `EEXIST` when
    /// its label is in use.
    pub(crate) fn register(region: Arc<Region>, progress: Option<Arc<Progress>>) -> Result<Self> {
        let label = region.label();
        let claim = Claim::new(label)?;
        let name = CString::try_from_fmt(fmt!("resmem-{label}"))?;
        let node = CString::try_from_fmt(fmt!("resmem/{label}"))?;
        let bound = Bound(region.clone());
        let device = CharDevice::register(name, node, Node { region, progress });
        Ok(Self {
            _node: KBox::try_pin_init(device, GFP_KERNEL)?,
            bound,
            _label: claim,
        })
    }
}

impl Device {
    /// The driver is being unbound: nothing may be handed to the device any more.
    pub(crate) fn unbind(&self) {
        self.bound.0.unbind();
    }
}

/// A region whose driver is bound.
struct Bound(Arc<Region>);

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.unbind();
    }
}
