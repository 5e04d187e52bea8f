// SPDX-License-Identifier: MIT
//! What every step of a build needs to know.

use std::path::PathBuf;

use board::Board;
use host::paths::Paths;

use crate::toolchain::Toolchain;

/// What an image builder needs to know.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// Folders.
    pub paths: &'a Paths,
    /// Compilers.
    pub tools: &'a Toolchain,
    /// For which board.
    pub board: &'a Board,
    /// Which kernel: the name of a fragment in `board/common/linux/fragments`.
    pub flavour: &'a str,
}

impl Builder<'_> {
    /// Where step logs go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.paths.out.join("log")
    }
}
