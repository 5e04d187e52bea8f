// SPDX-License-Identifier: MIT
//! A board in QEMU: its console, its disks, its health.

pub mod console;
pub mod deadline;
pub mod disk;
pub mod guest;
mod health;
pub mod instruments;
pub mod limits;
pub mod loader;
pub mod monitor;
pub mod races;

mod qemu;

pub use qemu::{Boot, Machine};
