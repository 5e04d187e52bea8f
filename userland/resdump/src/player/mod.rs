// SPDX-License-Identifier: MIT

//! Plays a recording into a ring that a device reads: from disk into the ring's own pages.
//!
//! What is loaded when and what proves that it was in time is `resdump_format::recording::player`'s. Here are where the
//! bytes are on disk ([`tape`]), the ring ([`outlet`]) and the loop.

#![forbid(unsafe_code)]

mod outlet;
mod run;
mod tape;
#[cfg(test)]
mod tests;

pub use outlet::{Live, Outlet};
pub use run::{Event, Limits, Outcome, Place, Refusal, State, Underrun, run};
pub use tape::Tape;
