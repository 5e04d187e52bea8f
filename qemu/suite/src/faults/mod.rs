// SPDX-License-Identifier: MIT
//! Faults while a dump runs: each fault with each engine is a test with a stated outcome.
//!
//! After each the prefix that was reported is on the target, byte for byte, and the dump can be
//! resumed. docs/explanation/reliability.md has the table.

/// A test of each engine with each of some targets: `each!(targets, fault, run)`. Its name is that of the fault and of
/// the target, and the engine.
macro_rules! each {
    ($targets:expr, $fault:ident, $run:expr) => {
        $crate::faults::dump::each(module_path!(), stringify!($fault), $targets, $run)
    };
}

mod crowd;
mod dump;
mod meddled;
mod readonly;
mod room;
mod sector;
mod shared;
mod stalled;
mod stopped;
mod unloaded;
mod unplugged;

use crate::frame::Case;

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        sector::cases(),
        room::cases(),
        readonly::cases(),
        unplugged::cases(),
        stalled::cases(),
        stopped::cases(),
        meddled::cases(),
        unloaded::cases(),
        crowd::cases(),
        shared::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
