// SPDX-License-Identifier: MIT

//! One file for each command.

#![forbid(unsafe_code)]

pub mod bench;
#[cfg(feature = "assets")]
pub mod completions;
pub mod convert;
pub mod diff;
pub mod doctor;
pub mod dump;
pub mod find;
pub mod input;
pub mod list;
pub mod load;
#[cfg(feature = "assets")]
pub mod man;
pub mod play;
pub mod receive;
pub mod record;
mod recording;
pub mod send;
pub mod show;
pub mod snapshot;
pub mod trigger;
pub mod verify;
