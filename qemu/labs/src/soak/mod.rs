// SPDX-License-Identifier: MIT
//! `make soak`: the long run. Each part leaves a report in `out/soak`, and says whether it passed.

mod dumps;
mod figures;
mod report;
mod round;

use anyhow::Result;

use board::Board;
use board::Image;
use host::paths::Paths;

/// Runs the parts one after the other. `Ok(false)` when a bound was broken.
pub fn soak(paths: &Paths, board: &Board, image: &Image, minutes: u64) -> Result<bool> {
    dumps::soak(paths, board, image, minutes)
}
