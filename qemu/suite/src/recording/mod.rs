// SPDX-License-Identifier: MIT
//! A ring that a device fills, recorded and played back.

use std::thread;
use std::time::Duration;

use crate::frame::Case;

mod player;
pub mod recorder;

/// What a device that the host plays takes for so many bytes. The time that a busy host has lost is not made up for: the
/// device would be faster than its node says.
fn pass_time(bytes: u64, rate: u64) {
    thread::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64));
}

pub fn cases() -> Vec<Case> {
    [player::cases(), recorder::cases()]
        .into_iter()
        .flatten()
        .collect()
}
