// SPDX-License-Identifier: MIT
//! Configurations made of fragments, for everything that uses Kconfig, and the check that none of
//! their lines was dropped.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use board::Board;
use host::command::output;
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
    let name = format!("the kernel of board {}", board.name);
    check(&name, &all, &build.join(".config"))
        .context("`make rustavailable` in the kernel tree explains a missing CONFIG_RUST")
}

/// An error with the lines of `wanted` that the final configuration does not honour, by the program that Buildroot's
/// build uses as well.
pub(crate) fn check(name: &str, wanted: &Path, config: &Path) -> Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../buildroot-external/package/board-config/check-config");
    let output = output(Command::new(program).arg(name).args([wanted, config]))?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(())
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

    /// What is said of a configuration; nothing if it honours all lines.
    fn said(wanted: &str, config: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [("wanted", wanted), ("config", config)].map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        match check("X", &one, &other) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_line_that_kconfig_dropped_is_reported() {
        for prefix in ["CONFIG", "BR2"] {
            let wanted = format!("{prefix}_RUST=y\n{prefix}_EXT4_FS=y\n");
            let config = format!("# {prefix}_RUST is not set\n{prefix}_EXT4_FS=y\n");
            let said = said(&wanted, &config);
            assert!(said.contains(&format!("\n  {prefix}_RUST=y\n")), "{said}");
            assert!(!said.contains("EXT4"), "{said}");
        }
    }

    #[test]
    fn an_option_that_came_back_is_reported() {
        let said = said("# CONFIG_VT is not set\n", "CONFIG_VT=y\n");
        assert!(said.contains("  # CONFIG_VT is not set"), "{said}");
    }

    #[test]
    fn an_absent_option_is_not_set_and_the_last_line_counts() {
        let wanted = "CONFIG_KUNIT=y\n# a comment\n# CONFIG_KUNIT is not set\n";
        assert_eq!(said(wanted, "CONFIG_SMP=y\n"), "");
    }

    #[test]
    fn an_empty_string_may_be_left_out() {
        assert_eq!(said("BR2_X=\"\"\n", ""), "");
        assert!(!said("BR2_X=\"\"\n", "BR2_X=\"a\"\n").is_empty());
    }
}
