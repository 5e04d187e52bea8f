// SPDX-License-Identifier: MIT
//! Faults while a dump runs: each fault with each engine is a test with a stated outcome.
//!
//! After each the prefix that was told is on the target, byte for byte, and the dump can be gone on
//! with. docs/explanation/reliability.md has the table.

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

use crate::bed::{Bed, Cell, Running};
use anyhow::Result;

pub use dump::SIZE;
use dump::{Dump, ENGINES, Target};

/// All of them.
pub fn cells() -> Vec<Cell> {
    [
        sector::cells(),
        room::cells(),
        readonly::cells(),
        unplugged::cells(),
        stalled::cells(),
        stopped::cells(),
        meddled::cells(),
        unloaded::cells(),
        crowd::cells(),
        shared::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A test of each engine with each of `targets`.
fn each(targets: &[Target], fault: &str, run: fn(&mut Running, Dump) -> Result<()>) -> Vec<Cell> {
    let dumps = ENGINES.iter().flat_map(|engine| {
        targets.iter().map(|target| Dump {
            engine,
            target: *target,
        })
    });
    let cell = |dump: Dump| Cell {
        bed: Bed::Faults,
        name: format!("{}::{fault}_{}", dump.engine, dump.target.name()),
        run: Box::new(move |bed| run(bed, dump)),
    };
    dumps.map(cell).collect()
}

/// A test of its own.
fn alone(name: &str, run: fn(&mut Running) -> Result<()>) -> Vec<Cell> {
    vec![Cell {
        bed: Bed::Faults,
        name: name.to_owned(),
        run: Box::new(run),
    }]
}
