// SPDX-License-Identifier: MIT

//! System calls that neither the standard library nor nix offers as safe functions with 64-bit
//! offsets on a 32-bit machine. All unsafe code of the program is below this module.

#![allow(unsafe_code, reason = "this is the place for it")]

pub mod block;
pub mod file;
pub mod heap;
pub mod process;
pub mod signal;
pub mod splice;
pub mod standard;
