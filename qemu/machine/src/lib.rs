// SPDX-License-Identifier: MIT
//! A board in QEMU: its console, its disks, its health.

pub mod attachment;
pub mod console;
pub mod detectors;
pub mod disk;
pub mod guest;
mod health;
pub mod loader;
pub mod monitor;
pub mod races;

mod placement;
mod qemu;
mod tree;

pub use qemu::{Boot, Machine};
