// SPDX-License-Identifier: MIT

//! Dumps that go somewhere else than to a file or a disk.

#![forbid(unsafe_code)]

pub mod pack;
pub mod sender;
pub mod wire;
