// SPDX-License-Identifier: MIT

//! Which way bytes go between a region and a file.

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the region to a file.
    Dump,
    /// From a file to the region.
    Load,
}
