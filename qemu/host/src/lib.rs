// SPDX-License-Identifier: MIT
//! Commands, folders and settings of the machine that builds and tests.

pub mod paths;
pub mod settings;
pub mod step;
