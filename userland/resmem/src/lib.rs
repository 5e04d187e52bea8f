// SPDX-License-Identifier: MIT

#![doc = include_str!("../README.md")]
//!
//! # What there is
//!
//! - [`Region`]: a region by its label. [`Region::dump`] and [`Region::load`] move its bytes to and from a file,
//!   [`Region::snapshot`] copies them at one moment, [`Region::map`] maps them.
//! - [`RegionRing`]: an io_uring whose fixed buffers are the region's own pages; [`Ring`]: one that writes from a
//!   [`Mapping`].
//! - [`Region::position`] and [`Region::wait_for`]: where the device is that fills the region as a ring.
//! - [`Region::take_from_device`] and [`Region::give_to_device`]: who owns the memory, on a machine whose caches do not
//!   see what a device does.
//! - [`Region::export`]: a dma-buf of the region's own pages, for another driver to read or to fill.
//! - [`abi`]: what the module and its callers share, [`ioctl`] the calls as they are, for those who need them raw.
//!
//! Offsets and lengths are bytes, and relative to the region's first byte. Errors are those of the system call, with
//! their errno; which one means what is said in [`abi`] at each command.
//!
//! # Memory that hardware changes
//!
//! A device may write to a region at any time, so nothing here makes a slice of it: [`Mapping::read`] copies bytes out,
//! and the kernel reads the others.

mod direction;
pub mod ioctl;
mod mapping;
mod region;
mod registered;
mod ring;
mod snapshot;
mod transfer;

// The module's own files: there is one definition of every structure, constant and check.
#[rustfmt::skip]
pub mod abi;
#[rustfmt::skip]
pub mod range;

pub use direction::Direction;
pub use mapping::Mapping;
pub use region::{Access, Region};
pub use registered::RegionRing;
pub use ring::Ring;
pub use transfer::{Moved, Options, Stopped};
