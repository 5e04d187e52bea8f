// SPDX-License-Identifier: MIT
//! What a dump puts on its target, and how it ends.

use crate::frame::Case;

mod autodump;
mod bad_sector;
mod block_edges;
mod content;
mod interrupted;
mod messages;
mod options;
mod powercut;
mod refusals;
mod serial_line;
mod several_regions;
mod signals;
mod snapshot_file;

pub fn cases() -> Vec<Case> {
    [
        autodump::cases(),
        bad_sector::cases(),
        block_edges::cases(),
        content::cases(),
        interrupted::cases(),
        messages::cases(),
        options::cases(),
        powercut::cases(),
        refusals::cases(),
        serial_line::cases(),
        several_regions::cases(),
        signals::cases(),
        snapshot_file::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
