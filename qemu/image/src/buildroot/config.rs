// SPDX-License-Identifier: MIT
//! What is configured: a board's defconfig, and what this machine adds to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use board::Board;
use host::settings;

/// The variable that names a file with settings of this machine (a mirror, a toolchain that is
/// there), appended to the defconfig.
pub const EXTRA: &str = "BUILDROOT_EXTRA";

/// A configuration.
pub struct Config {
    /// The defconfig in the checkout.
    pub defconfig: PathBuf,
    /// Its text, and that of `BUILDROOT_EXTRA`.
    pub text: String,
}

impl Config {
    /// The minimal configuration for the appliance, the one for debugging for the lab.
    pub fn load(root: &Path, board: &Board, flavour: &str) -> Result<Self> {
        let suffix = match flavour {
            "appliance" => "",
            "lab" => "_lab",
            other => bail!("no flavour {other}: Buildroot builds appliance and lab"),
        };
        let defconfig = root
            .join("buildroot-external/configs")
            .join(format!("{}{suffix}_defconfig", board.name));
        let mut text = fs::read_to_string(&defconfig)
            .with_context(|| format!("board {} has no {}", board.name, defconfig.display()))?;
        if let Some(extra) = &settings::get().buildroot_extra {
            text += &fs::read_to_string(extra)
                .with_context(|| format!("cannot read {EXTRA}={}", extra.display()))?;
        }
        Ok(Self { defconfig, text })
    }
}
