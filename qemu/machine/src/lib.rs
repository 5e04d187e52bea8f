// SPDX-License-Identifier: MIT
//! A board in QEMU: its console, its disks, its health.

pub mod attachment;
pub mod background;
mod confirm;
pub mod console;
pub mod detectors;
pub mod disk;
pub mod guest;
mod health;
pub mod lab;
pub mod loader;
pub mod medium;
pub mod monitor;
pub mod races;
pub mod scratch;

mod emulator;
mod placement;
mod qemu;
mod target;
mod tree;

pub use qemu::{Boot, Machine};
pub use target::Target;
