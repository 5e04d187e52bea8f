// SPDX-License-Identifier: MIT

//! Dumps that go somewhere else than to a file or a disk.
//!
//! - [`messages`]: messages of the two ends.
//! - [`wire`], [`socket`], [`client`], [`server`]: over a connection.
//! - [`frame`], [`link`], [`rescue`]: over a serial line.
//! - [`sender`]: pages into a pipe or a socket.

#![forbid(unsafe_code)]

pub mod client;
pub mod frame;
pub mod link;
pub mod messages;
pub mod rescue;
pub mod sender;
pub mod server;
pub mod socket;
mod telnet;
pub mod wire;
