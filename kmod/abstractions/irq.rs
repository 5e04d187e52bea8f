// SPDX-License-Identifier: GPL-2.0

//! An interrupt of a device that wakes waiting processes.

use kernel::{
    device::Bound,
    irq::{
        Flags,
        IrqReturn,
        Registration, //
    },
    platform,
    prelude::*, //
};

/// What an interrupt does. In interrupt context.
pub(crate) trait Handler: Send + Sync {
    fn handle(&self);
}

/// The kernel's handler.
struct Handled<T>(T);

impl<T: Handler> kernel::irq::Handler for Handled<T> {
    fn handle(&self) -> IrqReturn {
        self.0.handle();
        IrqReturn::Handled
    }
}

/// An interrupt that is registered until it is dropped. It is shared: the device's own driver acknowledges it.
pub(crate) struct Interrupt<'a, T: Handler>(Pin<KBox<Registration<'a, Handled<T>>>>);

impl<'a, T: Handler + 'a> Interrupt<'a, T> {
    /// Whether the device has an interrupt of this name.
    pub(crate) fn exists(pdev: &platform::Device<Bound>, name: &CStr) -> Result<bool> {
        match pdev.optional_irq_by_name(name) {
            Ok(_) => Ok(true),
            Err(ENXIO) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Registers `handler` for the device's interrupt `name`. To be kept in what belongs to the bound device.
    pub(crate) fn new(
        pdev: &'a platform::Device<Bound>,
        name: &'a CStr,
        handler: T,
    ) -> Result<Self> {
        // SAFETY: What is returned is kept by the driver in its device's data, and dropped with that.
        let registration = unsafe {
            pdev.request_irq_by_name(Flags::SHARED, name, c"resmem", Ok(Handled(handler)))
        };
        Ok(Self(KBox::pin_init(registration, GFP_KERNEL)?))
    }

    /// Waits until no handler runs.
    pub(crate) fn synchronize(&self) {
        self.0.synchronize();
    }
}
