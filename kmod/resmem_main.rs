// SPDX-License-Identifier: GPL-2.0

//! `resmem`: reserved physical memory as character devices, and to disk by direct I/O.
//!
//! The user ABI is [`abi`]; how a transfer works is told in `docs/engine.md`.

#![crate_name = "resmem"]

use kernel::{
    driver::Registration,
    platform::Adapter,
    prelude::*,
    InPlaceModule,
    ModuleMetadata, //
};

#[expect(unreachable_pub)] // shared with userland
mod abi;
mod chardev;
mod dma;
mod driver;
mod eventfd;
mod ffi;
mod fops;
mod frames;
mod inflight;
mod job;
mod labels;
mod memory;
mod mmap;
mod named;
mod pinned;
#[expect(unreachable_pub)] // shared with userland
mod range;
mod region;
mod request;
mod snapshot;
mod sync;
mod target;
mod transfer;
mod uring;
mod watchers;

/// The module: regions by name, and the registration of its driver.
#[pin_data]
struct Module {
    _named: KVec<Pin<KBox<chardev::CharDevice>>>,
    #[pin]
    _driver: Registration<Adapter<driver::Driver>>,
}

impl InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: Once, and before there is a driver to claim labels.
        unsafe { labels::init() };
        try_pin_init!(Self {
            _named: named::register()?,
            _driver <- Registration::new(<Self as ModuleMetadata>::NAME, module),
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
