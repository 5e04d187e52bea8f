// SPDX-License-Identifier: GPL-2.0

//! `resmem`: reserved physical memory as character devices, and to disk by direct I/O.
//!
//! The user ABI is [`abi`]; `docs/explanation/engine.md` explains how a transfer works.
//!
//! No lock is taken here but by what is called; each file begins with its lock order.
//!
//! Unsafe code is in [`abstractions`] alone; the compiler refuses it in a new file outside of that.

#![crate_name = "resmem"]
#![deny(unsafe_code)]

use kernel::{
    driver::Registration,
    platform::Adapter,
    prelude::*,
    InPlaceModule,
    ModuleMetadata, //
};

#[forbid(unsafe_code)]
#[expect(unreachable_pub)] // shared with userland
mod abi;
#[allow(unsafe_code)]
mod abstractions;
#[forbid(unsafe_code)]
mod argument;
#[forbid(unsafe_code)]
mod binding;
#[forbid(unsafe_code)]
mod device;
#[forbid(unsafe_code)]
#[expect(unreachable_pub)] // shared with userland
mod divide;
#[cfg(CONFIG_DMA_SHARED_BUFFER)]
#[forbid(unsafe_code)]
mod dmabuf;
#[forbid(unsafe_code)]
mod driver;
#[forbid(unsafe_code)]
mod export;
#[forbid(unsafe_code)]
mod fops;
#[forbid(unsafe_code)]
mod halves;
#[forbid(unsafe_code)]
mod inflight;
#[forbid(unsafe_code)]
mod job;
#[forbid(unsafe_code)]
mod labels;
#[forbid(unsafe_code)]
mod lent;
#[cfg(CONFIG_KUNIT)]
#[forbid(unsafe_code)]
mod lent_tests;
#[forbid(unsafe_code)]
mod named;
#[forbid(unsafe_code)]
#[expect(unreachable_pub)] // shared with userland
mod position;
#[forbid(unsafe_code)]
mod progress;
#[forbid(unsafe_code)]
#[expect(unreachable_pub)] // shared with userland
mod range;
#[forbid(unsafe_code)]
mod refusal;
#[forbid(unsafe_code)]
mod region;
#[forbid(unsafe_code)]
mod request;
#[forbid(unsafe_code)]
#[expect(unreachable_pub)] // shared with userland
mod scale;
#[forbid(unsafe_code)]
mod snapshot;
#[forbid(unsafe_code)]
mod spot;
#[forbid(unsafe_code)]
mod target;
#[forbid(unsafe_code)]
mod timer;
#[forbid(unsafe_code)]
mod transfer;
#[forbid(unsafe_code)]
mod trigger;
#[forbid(unsafe_code)]
mod uring;
#[forbid(unsafe_code)]
mod watchers;
#[forbid(unsafe_code)]
mod watches;

use abstractions::populate::RootDevices;

/// What plain code has of the kernel: a test on the host puts a model checker's in its place.
use abstractions::sync;

/// The module: regions by name, the registration of its driver, and devices for it that the kernel did not make.
///
/// Dropped in the order of the fields, made in another: a device is probed when its driver is there.
#[pin_data]
struct Module {
    _at_root: RootDevices,
    _named: KVec<device::Device>,
    #[pin]
    _driver: Registration<Adapter<driver::Driver>>,
}

impl InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _named: {
                labels::init()?;
                named::register()?
            },
            _driver <- Registration::new(<Self as ModuleMetadata>::NAME, module),
            _at_root: RootDevices::new(driver::COMPATIBLE)?,
        })
    }
}

module! {
    type: Module,
    name: "resmem",
    authors: ["The resdump authors"],
    description: "Reserved physical memory to disk by direct I/O, without a copy",
    license: "GPL",
}
