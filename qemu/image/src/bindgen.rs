// SPDX-License-Identifier: MIT
//! bindgen, which Debian 12 has too old a release of.

use std::path::PathBuf;

use anyhow::Result;

use crate::builder::Builder;
use crate::crate_tool::CrateTool;

/// The release that the kernel's documentation asks for at least is 0.71.1.
const BINDGEN: CrateTool = CrateTool {
    name: "bindgen",
    package: "bindgen-cli",
    version: "0.72.1",
    optimized: true,
};

/// Builds bindgen, once, and returns the program.
pub fn build(builder: &Builder<'_>) -> Result<PathBuf> {
    BINDGEN.build(builder.paths, builder.tools)
}
