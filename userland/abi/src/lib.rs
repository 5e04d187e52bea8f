// SPDX-License-Identifier: MIT

//! The user ABI of the `resmem` kernel module, and the arithmetic it shares with the module.
//!
//! [`abi`] and [`range`] are the module's own files: there is one definition of every structure,
//! constant and check. What is added here is the calls themselves, in [`ioctl`].

#[rustfmt::skip]
#[path = "../../../kmod/abi.rs"]
pub mod abi;
pub mod ioctl;
#[rustfmt::skip]
#[path = "../../../kmod/range.rs"]
pub mod range;

pub use abi::{RegionInfo, Transfer};
