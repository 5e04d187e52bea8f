// SPDX-License-Identifier: MIT

//! Dumps that go somewhere else than to a file or a disk.

#![forbid(unsafe_code)]

pub mod frame;
pub mod link;
pub mod rescue;
pub mod sender;
pub mod wire;
