// SPDX-License-Identifier: GPL-2.0

//! Devices for nodes that are children of the device tree's root. Most architectures make them when they start; PowerPC
//! makes devices only of what is on a bus.
//!
//! No lock is taken here but by the driver core, to add and remove a device.

use core::ptr::NonNull;

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings,
    prelude::*,
    str::CStr, //
};

use super::ffi;

/// Devices that were made here, and that go when this is dropped.
///
/// # Invariants
///
/// Each pointer is what `resmem_make_device_at_root()` returned, and has not been passed to
/// `resmem_remove_device()`.
pub(crate) struct RootDevices(KVec<NonNull<bindings::device>>);

// SAFETY: A device may be removed by any thread.
unsafe impl Send for RootDevices {}
// SAFETY: Nothing is done by a shared reference.
unsafe impl Sync for RootDevices {}

impl RootDevices {
    /// Makes a device of each child of the root that is `compatible`, is not disabled and has no device yet.
    ///
    /// May sleep, and probes drivers. `ENOMEM`.
    pub(crate) fn new(compatible: &'static CStr) -> Result<Self> {
        let mut made = Self(KVec::new());
        loop {
            made.0.reserve(1, GFP_KERNEL)?;
            // SAFETY: The name is NUL-terminated.
            let device = unsafe { ffi::resmem_make_device_at_root(compatible.as_char_ptr()) };
            let Some(device) = NonNull::new(device) else {
                return Ok(made);
            };
            // INVARIANT: It was just returned.
            made.0.push_within_capacity(device).map_err(|_| ENOMEM)?;
        }
    }
}

impl Drop for RootDevices {
    fn drop(&mut self) {
        for device in &self.0 {
            // SAFETY: By the type invariants, and it is forgotten now.
            unsafe { ffi::resmem_remove_device(device.as_ptr()) };
        }
    }
}
