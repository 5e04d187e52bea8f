// SPDX-License-Identifier: MIT
//! What the suite takes and does not build itself.

use anyhow::{Result, ensure};

use board::{Board, Image};
use host::command;
use host::deadline::seconds;
use host::paths::Paths;
use host::settings::Settings;
use image::{Builder, quick};

/// Builds the images of some flavours, unless finished images are given, and the dumper for this machine.
pub fn prepare(builder: &Builder<'_>, settings: &Settings, flavours: &[String]) -> Result<()> {
    for flavour in flavours {
        match &settings.images {
            Some(_) => drop(given(builder.paths, builder.board, flavour)?),
            None => drop(quick::build(&Builder {
                flavour,
                ..*builder
            })?),
        }
    }
    host_dumper(builder)
}

/// The finished image of a flavour.
pub fn given(paths: &Paths, board: &Board, flavour: &str) -> Result<Image> {
    Image::open(&paths.image(&board.name, flavour))
}

/// The dumper for this machine, where [`Paths::host_dumper`] says.
fn host_dumper(builder: &Builder<'_>) -> Result<()> {
    let (paths, tools) = (builder.paths, builder.tools);
    let mut cargo = tools.command(tools.tool("cargo"));
    cargo
        .args(["build", "--quiet", "--locked", "--package", "resdump"])
        .arg("--manifest-path")
        .arg(paths.root.join("userland/Cargo.toml"))
        .env("CARGO_TARGET_DIR", paths.out.join("target/userland"));
    let status = command::status(&mut cargo, seconds(3600))?;
    ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}
