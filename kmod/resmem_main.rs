// SPDX-License-Identifier: GPL-2.0

//! `resmem`: reserved physical memory as character devices, and to disk by direct I/O.
//!
//! The user ABI is [`abi`]; how a transfer works is told in `docs/engine.md`.

#![crate_name = "resmem"]

#[expect(unreachable_pub)] // shared with userland
mod abi;
mod chardev;
mod driver;
mod eventfd;
mod ffi;
mod fops;
mod frames;
mod memory;
mod pinned;
#[expect(unreachable_pub)] // shared with userland
mod range;
mod region;
mod request;
mod snapshot;
mod target;
mod transfer;

kernel::module_platform_driver! {
    type: driver::Driver,
    name: "resmem",
    authors: ["The resdump authors"],
    description: "Reserved physical memory to disk by direct I/O, without a copy",
    license: "GPL",
}
