// SPDX-License-Identifier: MIT
//! Man pages and completions of the dumper, written by a program of its own workspace.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::builder::Builder;
use host::built::unless_built;
use host::step::{Key, Step};

/// Returns a folder with what belongs into `/usr/share`.
pub fn build(builder: &Builder<'_>) -> Result<PathBuf> {
    let folder = builder.paths.out.join("target/assets");
    let root = &builder.paths.root;
    let key = Key::new("assets 4")
        .path(&root.join("userland"))?
        .text(&builder.tools.version)
        .finish();
    unless_built(&folder, &key, || {
        let step = Step::start(&builder.logs(), "assets", "man pages and completions")?;
        let share = folder.join("share");
        if share.exists() {
            // What an earlier version made.
            fs::remove_dir_all(&share)?;
        }
        step.run(
            builder
                .tools
                .command(builder.tools.tool("cargo"))
                // The commands of the program that `cross` builds.
                .args(["run", "--locked", "--no-default-features"])
                .args(["--package", "resdump"])
                .arg("--manifest-path")
                .arg(root.join("userland/Cargo.toml"))
                .args(["--example", "assets", "--"])
                .arg(&share)
                .env(
                    "CARGO_TARGET_DIR",
                    builder.paths.out.join("target/userland"),
                ),
        )?;
        step.done();
        Ok(())
    })?;
    Ok(folder.join("share"))
}
