// SPDX-License-Identifier: MIT
//! What the dependencies may be: licences, versions, sources, by `deny.toml`. Known holes are not looked
//! for: that takes a database which is fetched from elsewhere each time, and changes under a commit.

use anyhow::Result;

use host::paths::Paths;
use host::step::Step;
use image::crate_tool::CrateTool;
use image::inputs::Inputs;
use image::toolchain::Toolchain;

/// Judges the dependencies of a workspace of the checkout each.
pub fn check(paths: &Paths, tools: &Toolchain, workspaces: &[&str]) -> Result<()> {
    let program = {
        let tool = CrateTool {
            name: "cargo-deny",
            input: Inputs::load(&paths.root)?.cargo_deny,
            optimized: false,
        };
        tool.build(paths, tools)?
    };
    let logs = paths.out.join("log");
    let step = Step::start(&logs, "lint-deny", "licences and sources of dependencies")?;
    for workspace in workspaces {
        step.run(
            tools
                .command(&program)
                .arg("--manifest-path")
                .arg(paths.root.join(workspace).join("Cargo.toml"))
                .args(["--locked", "--config"])
                .arg(paths.root.join("deny.toml"))
                .args(["check", "licenses", "bans", "sources"])
                .env("CARGO", tools.tool("cargo")),
        )?;
    }
    step.done();
    Ok(())
}
