// SPDX-License-Identifier: MIT
//! bindgen, which Debian 12 has too old a release of.

use std::path::PathBuf;

use anyhow::Result;

use super::Builder;
use crate::step::{Key, Step, unless_built};

/// The release that the kernel's documentation asks for at least is 0.71.1.
const VERSION: &str = "0.72.1";

/// Builds bindgen from the crate registry, once, and returns the program.
pub fn build(builder: &Builder<'_>) -> Result<PathBuf> {
    let folder = builder.paths.cache.join(format!("bindgen-{VERSION}"));
    let key = Key::new(VERSION).text(&builder.tools.version).finish();
    unless_built(&folder, &key, || {
        let step = Step::start(
            &builder.logs(),
            "bindgen",
            "build bindgen from the crate registry",
        )?;
        step.run(
            builder
                .tools
                .command(builder.tools.tool("cargo"))
                .args([
                    "install",
                    "--locked",
                    "--force",
                    "bindgen-cli",
                    "--version",
                    VERSION,
                ])
                .arg("--root")
                .arg(&folder)
                .env("CARGO_TARGET_DIR", folder.join("target")),
        )?;
        std::fs::remove_dir_all(folder.join("target"))?;
        step.done();
        Ok(())
    })?;
    Ok(folder.join("bin/bindgen"))
}
