// SPDX-License-Identifier: MIT
//! Commands, folders and settings of the machine that builds and tests.

pub mod built;
pub mod command;
pub mod deadline;
pub mod exit;
pub mod paths;
pub mod settings;
pub mod step;
