// SPDX-License-Identifier: MIT
//! Tools from the crate registry, built once and kept in the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::inputs::CrateInput;
use crate::toolchain::Toolchain;
use host::built::unless_built;
use host::paths::Paths;
use host::step::{Key, Step};

/// A tool of a fixed version, with the dependencies that its own lock file has.
pub struct CrateTool {
    /// What it is kept under.
    pub name: &'static str,
    /// The crate and its version.
    pub input: CrateInput,
    /// Whether it runs long enough to be worth what optimizing it takes.
    pub optimized: bool,
}

impl CrateTool {
    /// Builds it unless it is there, and returns the program, which has the tool's name.
    pub fn build(&self, paths: &Paths, tools: &Toolchain) -> Result<PathBuf> {
        let folder = paths
            .cache
            .join(format!("{}-{}", self.name, &self.input.version));
        let key = Key::new(&self.input.version).text(&tools.version).finish();
        unless_built(&folder, &key, || {
            let what = format!("build {} from the crate registry", self.name);
            let step = Step::start(&paths.out.join("log"), self.name, &what)?;
            let mut cargo = tools.command(tools.tool("cargo"));
            cargo
                .args(["install", "--locked", "--force", &self.input.name])
                .args(["--version", &self.input.version, "--root"])
                .arg(&folder)
                .env("CARGO_TARGET_DIR", folder.join("target"));
            if !self.optimized {
                cargo.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
            }
            step.run(&mut cargo)?;
            fs::remove_dir_all(folder.join("target"))?;
            step.done();
            Ok(())
        })?;
        Ok(folder.join("bin").join(self.name))
    }
}
