// SPDX-License-Identifier: MIT
//! Host side of the project: builds the quick image, runs it under QEMU, drives its serial console.

pub mod bench;
pub mod binding;
pub mod board;
pub mod buildroot;
pub mod console;
mod crate_tool;
pub mod devicetree;
pub mod disk;
pub mod firmware;
pub mod flash;
pub mod guest;
pub mod health;
pub mod image;
pub mod lanes;
mod licensing;
pub mod lint;
pub mod loader;
pub mod machine;
pub mod monitor;
pub mod paths;
pub mod powercut;
pub mod races;
pub mod report;
pub mod reproducible;
pub mod run;
pub mod sbom;
pub mod soak;
pub mod step;
pub mod toolchain;
