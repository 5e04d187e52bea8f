// SPDX-License-Identifier: MIT
//! A ring that a device fills, recorded and played back.

use crate::frame::Case;

mod player;
pub mod recorder;

pub fn cases() -> Vec<Case> {
    [player::cases(), recorder::cases()]
        .into_iter()
        .flatten()
        .collect()
}
