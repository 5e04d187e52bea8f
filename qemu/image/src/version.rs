// SPDX-License-Identifier: MIT
//! The version of the project: that of the dumper's workspace, and written nowhere else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The version of a checkout.
pub fn of(root: &Path) -> Result<String> {
    let file = root.join("userland/Cargo.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: toml::Table = toml::from_str(&text)?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    version
        .map(str::to_owned)
        .with_context(|| format!("{} has no version", file.display()))
}
