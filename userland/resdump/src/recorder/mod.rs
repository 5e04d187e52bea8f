// SPDX-License-Identifier: MIT

//! Records a ring that a device fills, from the ring's own pages, for as long as wanted.
//!
//! What is written when, what proves it and what the index says is `resdump_format::recording`'s. Here are the ring of
//! writes ([`feed`]), the files and the thread that prepares and flushes them ([`files`]), and the loop.
//!
//! The loop never waits for the disk but for a segment that is not prepared yet: flushing, preparing and closing are
//! the thread's.

#![forbid(unsafe_code)]

mod armed;
mod calibrate;
mod desk;
mod feed;
mod files;
mod folder;
mod holders;
mod kept;
mod limits;
mod ordinary;
mod played;
#[cfg(feature = "plot")]
mod plot;
mod read;
mod run;
mod saved;
#[cfg(feature = "sigmf")]
mod sigmf;
#[cfg(test)]
mod tests;

pub use armed::{Call, armed};
pub use calibrate::Contradictions;
pub use feed::{Feed, Filled, Live, look};
pub use files::{Taken, take};
pub use folder::Folder;
pub use holders::trigger;
pub use limits::{Keep, Limits, Outcome, Refusal, State, is_of_ring};
pub(crate) use limits::{NO_POSITION, NO_WAIT};
pub use ordinary::Ordinary;
pub use played::{Played, Scratch};
#[cfg(feature = "plot")]
pub use plot::plot;
pub use read::{Piece, Reader};
pub use run::run;
pub use saved::{ALL, Failed, Fault, Saved};
#[cfg(feature = "sigmf")]
pub use sigmf::{Dataset, Datatype};
