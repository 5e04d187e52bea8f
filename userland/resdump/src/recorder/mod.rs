// SPDX-License-Identifier: MIT

//! Records a ring that a device fills, from the ring's own pages, for as long as wanted.
//!
//! What is written when, what proves it and what the index says is the `recording` crate's. Here are the ring of
//! writes ([`feed`]), the files and the thread that prepares and flushes them ([`files`]), and the loop.
//!
//! The loop never waits for the disk but for a segment that is not prepared yet: flushing, preparing and closing are
//! the thread's.

#![forbid(unsafe_code)]

mod feed;
mod files;
mod run;
mod saved;
#[cfg(test)]
mod tests;

pub use feed::{Feed, Live};
pub use run::{Limits, Outcome, Refusal, State, run};
pub use saved::{Fault, Saved};
