// SPDX-License-Identifier: MIT

//! What identifies a boot of a machine, and its clocks.

use serde::{Deserialize, Serialize};

/// The machine that a dump was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Machine, as `uname -m` prints it.
    pub machine: String,
    /// `big` or `little`.
    pub byte_order: String,
    /// The kernel's name for this boot; empty where it does not tell.
    pub boot_id: String,
}

/// A moment, by both clocks: that of the wall may be wrong on a board, the other starts at boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970, UTC.
    pub wall_ms: u64,
    /// Milliseconds since the start of the machine, sleep included.
    pub since_boot_ms: u64,
}

/// A copy of memory that was made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When the copying began.
    pub began: Moment,
    /// How long it took, in microseconds: that much older may the first byte be than the last.
    pub micros: u64,
}
