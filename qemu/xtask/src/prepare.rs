// SPDX-License-Identifier: MIT
//! What the suite takes and does not build itself.

use anyhow::{Result, ensure};

use board::{Board, Image};
use host::paths::Paths;
use host::settings::Settings;
use image::{Builder, quick};

/// The flavours that tests want where none is given for all of them.
const FLAVOURS: [&str; 2] = ["appliance", "lab"];

/// Builds images and the dumper for this machine, unless finished images are given.
pub fn prepare(builder: &Builder<'_>, settings: &Settings) -> Result<()> {
    let flavours = match &settings.flavour {
        Some(one) => vec![one.as_str()],
        None => FLAVOURS.to_vec(),
    };
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
    let status = tools
        .command(tools.tool("cargo"))
        .args(["build", "--quiet", "--locked", "--package", "resdump"])
        .arg("--manifest-path")
        .arg(paths.root.join("userland/Cargo.toml"))
        .env("CARGO_TARGET_DIR", paths.out.join("target/userland"))
        .status()?;
    ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}
