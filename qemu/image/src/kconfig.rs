// SPDX-License-Identifier: MIT
//! Configurations made of fragments, for everything that uses Kconfig, and the check that none of
//! their lines was dropped.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use board::Board;
use host::step::Step;

/// The fragments of a kernel flavour, one after the other.
pub(crate) fn wanted(board: &Board, flavour: &str) -> Result<String> {
    let files = board.kconfig(flavour)?;
    let read = |file: &std::path::PathBuf| {
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    files.iter().map(read).collect()
}

/// Configures the kernel in `build` with what is wanted and nothing else. `make` is the command for
/// the kernel's tree.
pub(crate) fn configure(
    step: &Step,
    board: &Board,
    wanted: &str,
    mut make: Command,
    build: &Path,
) -> Result<()> {
    let all = build.join("wanted.config");
    fs::write(&all, wanted)?;
    step.run(
        make.arg("allnoconfig")
            .arg(format!("KCONFIG_ALLCONFIG={}", all.display())),
    )?;
    let dropped = dropped_lines(wanted, &fs::read_to_string(build.join(".config"))?);
    if !dropped.is_empty() {
        bail!(
            "Kconfig dropped lines of the fragments of board {}: {}\n\
             an option's dependencies are not met, or a tool is missing (`make rustavailable` \
             in the kernel tree tells for CONFIG_RUST)",
            board.name,
            dropped.join(", ")
        );
    }
    Ok(())
}

/// The lines of the fragments that the final configuration does not honour. Of several lines for
/// one option the last counts, as for Kconfig.
pub(crate) fn dropped_lines(wanted: &str, config: &str) -> Vec<String> {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for line in wanted.lines().map(str::trim) {
        let Some(option) = option_of(line) else {
            continue;
        };
        lines.retain(|(known, _)| *known != option);
        lines.push((option, line));
    }
    let honoured = |option: &str, line: &str| {
        if line.starts_with('#') {
            let set = format!("{option}=");
            !config.lines().any(|have| have.starts_with(&set))
        } else {
            config.lines().any(|have| have == line)
        }
    };
    lines
        .into_iter()
        .filter(|(option, line)| !honoured(option, line))
        .map(|(_, line)| line.to_owned())
        .collect()
}

/// `CONFIG_X=…` and `# CONFIG_X is not set` -> `CONFIG_X`.
pub(crate) fn option_of(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("# ") {
        return rest
            .strip_suffix(" is not set")
            .filter(|o| o.starts_with("CONFIG_"));
    }
    let (option, _) = line.split_once('=')?;
    option.starts_with("CONFIG_").then_some(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_kconfig_dropped_is_reported() {
        let dropped = dropped_lines("CONFIG_RUST=y\nCONFIG_EXT4_FS=y\n", "CONFIG_EXT4_FS=y\n");
        assert_eq!(dropped, ["CONFIG_RUST=y"]);
    }

    #[test]
    fn an_option_that_came_back_is_reported() {
        let dropped = dropped_lines("# CONFIG_VT is not set\n", "CONFIG_VT=y\n");
        assert_eq!(dropped, ["# CONFIG_VT is not set"]);
    }

    #[test]
    fn the_last_line_for_an_option_counts() {
        let wanted = "CONFIG_KUNIT=y\n# CONFIG_KUNIT is not set\n";
        assert!(dropped_lines(wanted, "# CONFIG_KUNIT is not set\n").is_empty());
    }

    #[test]
    fn comments_are_not_wanted_lines() {
        assert!(dropped_lines("# a comment\n\n", "").is_empty());
    }
}
