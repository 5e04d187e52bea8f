// SPDX-License-Identifier: MIT
//! Long runs and measurements on a finished image.

pub mod bench;
pub mod bringup;
pub mod fakeboard;
pub mod order;
pub mod powercut;
pub mod profile;
pub mod profile_boot;
mod report;
pub mod run;
pub mod soak;
