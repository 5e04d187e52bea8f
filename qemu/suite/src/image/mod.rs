// SPDX-License-Identifier: MIT
//! The image: its disk, its console, its limits, its builders.

use crate::frame::Case;

mod bring_up;
mod build_paths;
mod disk;
mod flash;
mod growth;
pub mod netboot;
mod prompt;
mod requests;
mod two_builders;

pub fn cases() -> Vec<Case> {
    [
        bring_up::cases(),
        build_paths::cases(),
        disk::cases(),
        flash::cases(),
        growth::cases(),
        netboot::cases(),
        prompt::cases(),
        requests::cases(),
        two_builders::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
