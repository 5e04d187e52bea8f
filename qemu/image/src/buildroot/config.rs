// SPDX-License-Identifier: MIT
//! What is configured: a board's defconfig, and what this machine adds to it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use board::Board;

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
            "lab" => "_debug",
            other => bail!("no flavour {other}: Buildroot builds appliance and lab"),
        };
        let defconfig = root
            .join("buildroot-external/configs")
            .join(format!("{}{suffix}_defconfig", board.name));
        let mut text = fs::read_to_string(&defconfig)
            .with_context(|| format!("board {} has no {}", board.name, defconfig.display()))?;
        if let Some(extra) = env::var_os(EXTRA) {
            text += &fs::read_to_string(&extra)
                .with_context(|| format!("cannot read {EXTRA}={}", extra.display()))?;
        }
        Ok(Self { defconfig, text })
    }
}

/// The lines of a defconfig that the final configuration does not honour. Of several lines for one
/// option the last counts.
pub fn dropped(defconfig: &str, config: &str) -> Vec<String> {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for line in defconfig.lines().map(str::trim) {
        if let Some(option) = option_of(line) {
            lines.retain(|(known, _)| *known != option);
            lines.push((option, line));
        }
    }
    let honoured = |option: &str, line: &str| {
        let set = format!("{option}=");
        if line.starts_with('#') {
            !config.lines().any(|have| have.starts_with(&set))
        } else {
            // An empty string is written when the option exists, and may be left out otherwise.
            config.lines().any(|have| have == line) || line.ends_with("=\"\"")
        }
    };
    lines
        .into_iter()
        .filter(|(option, line)| !honoured(option, line))
        .map(|(_, line)| line.to_owned())
        .collect()
}

fn option_of(line: &str) -> Option<&str> {
    let option = match line.strip_prefix("# ") {
        Some(rest) => rest.strip_suffix(" is not set")?,
        None => line.split_once('=')?.0,
    };
    option.starts_with("BR2_").then_some(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_kconfig_dropped_is_reported() {
        let lost = dropped("BR2_PACKAGE_RESMEM=y\nBR2_powerpc=y\n", "BR2_powerpc=y\n");
        assert_eq!(lost, ["BR2_PACKAGE_RESMEM=y"]);
    }

    #[test]
    fn an_option_that_came_back_is_reported() {
        let lost = dropped("# BR2_X is not set\n", "BR2_X=y\n");
        assert_eq!(lost, ["# BR2_X is not set"]);
    }

    #[test]
    fn the_last_line_for_an_option_counts() {
        assert!(dropped("BR2_X=\"a\"\nBR2_X=\"b\"\n", "BR2_X=\"b\"\n").is_empty());
    }
}
