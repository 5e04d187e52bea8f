// SPDX-License-Identifier: MIT
//! bindgen: the distribution's where that is new enough, else built from the crate registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::builder::Builder;
use crate::crate_tool::CrateTool;
use crate::inputs::Inputs;
use host::command::output_of;

/// The oldest release that the kernel's documentation allows.
const OLDEST: [u32; 3] = [0, 71, 1];
/// Where a distribution puts it.
const PACKAGED: &str = "/usr/bin/bindgen";

/// The program.
pub fn build(builder: &Builder<'_>) -> Result<PathBuf> {
    let said = output_of(Command::new(PACKAGED).arg("--version"));
    if said.is_ok_and(|said| new_enough(&said)) {
        return Ok(Path::new(PACKAGED).to_path_buf());
    }
    let tool = CrateTool {
        name: "bindgen",
        input: Inputs::load(&builder.paths.root)?.bindgen,
        optimized: true,
    };
    tool.build(builder.paths, builder.tools)
}

/// `bindgen 0.71.1` -> is it at least [`OLDEST`]?
fn new_enough(said: &str) -> bool {
    let Some(version) = said.split_whitespace().nth(1) else {
        return false;
    };
    let numbers: Vec<u32> = version
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect();
    numbers >= OLDEST.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_allows_is_new_enough() {
        assert!(new_enough("bindgen 0.71.1"));
        assert!(new_enough("bindgen 0.72.0"));
        assert!(new_enough("bindgen 1.0"));
        assert!(!new_enough("bindgen 0.60.1"));
        assert!(!new_enough("bindgen"));
    }
}
