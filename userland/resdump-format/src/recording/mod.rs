// SPDX-License-Identifier: MIT

//! Recordings of a ring in reserved memory that a device fills: which bytes to write when, what proves that they
//! are whole, and the index that says so on disk.
//!
//! Nothing here does I/O on a device or depends on Linux. The dumper, readers on hosts, and the model that the
//! accounting is tested against run the same code:
//!
//! - [`position`] follows the device: from what a register says to bytes that only grow, and [`scale`] is what it says
//!   (the module's own files),
//! - [`proof`] is the comparison that proves a range, or names the part that may have been overwritten,
//! - [`planner`] cuts the stream into writes and keeps the account,
//! - [`session`] is the order in which all that has to happen,
//! - [`index`] is what a recording's index consists of, and [`summary`] what it says,
//! - [`layout`] names files, and says where in them a byte of the stream lies,
//! - [`player`] is the way back: from disk into a ring that a device reads, with the same proof in reverse.

#[allow(unreachable_pub, reason = "the module's own file")]
#[rustfmt::skip]
mod divide;
pub mod index;
pub mod layout;
pub mod planner;
pub mod player;
#[rustfmt::skip]
pub mod position;
pub mod proof;
#[rustfmt::skip]
pub mod scale;
pub mod session;
pub mod summary;
