// SPDX-License-Identifier: MIT
//! The defconfigs: one of each flavour for each board of Buildroot's, and each as Buildroot itself would write it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kconfig;
use board::Board;
use host::paths::Paths;
use host::step::Step;

/// Loads each defconfig into Buildroot's Kconfig and saves it again: no line may be lost, and none may
/// be one that need not be there.
pub fn check(paths: &Paths, tree: &Path) -> Result<()> {
    let step = Step::start(
        &paths.out.join("log"),
        "lint-defconfigs",
        "Buildroot's defconfigs, loaded and saved",
    )?;
    let external = paths.root.join("buildroot-external");
    let scratch = tempfile::tempdir()?;
    let make = |target: &str, defconfig: &Path| {
        step.run(
            Command::new("make")
                .args(["-s", "--no-print-directory", "-C"])
                .arg(tree)
                .arg(format!("O={}", scratch.path().display()))
                .arg(format!("BR2_EXTERNAL={}", external.display()))
                .arg(format!("BR2_DEFCONFIG={}", defconfig.display()))
                .arg(target),
        )
    };
    for name in names(&paths.root)? {
        let file = external.join("configs").join(&name);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        make("defconfig", &file)?;
        kconfig::check(&name, &file, &scratch.path().join(".config"))?;
        let saved = scratch.path().join("saved");
        make("savedefconfig", &saved)?;
        let different = differences(&text, &fs::read_to_string(saved)?);
        ensure!(
            different.is_empty(),
            "{name} is not what `make savedefconfig` writes:\n{different}"
        );
    }
    step.done();
    Ok(())
}

/// Files that there must be.
fn names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for board in Board::names(root)? {
        let loaded = Board::load(root, &board)?;
        if !loaded.is_detector() && loaded.conf.buildroot.0 {
            names.extend(["", "_lab"].map(|suffix| format!("{board}{suffix}_defconfig")));
        }
    }
    Ok(names)
}

/// Lines that only one of two texts has, or has elsewhere; empty when the texts are the same.
fn differences(have: &str, saved: &str) -> String {
    if have == saved {
        return String::new();
    }
    let only = |sign: char, one: &str, other: &str| -> String {
        one.lines()
            .filter(|line| !other.lines().any(|it| it == *line))
            .map(|line| format!("{sign}{line}\n"))
            .collect()
    };
    let lines = only('-', have, saved) + &only('+', saved, have);
    match lines.is_empty() {
        true => "the order of the lines is another".to_owned(),
        false => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_need_not_be_there_is_shown() {
        assert_eq!(differences("A=y\nB=y\n", "A=y\n"), "-B=y\n");
        assert_eq!(differences("A=y\n", "A=y\nB=y\n"), "+B=y\n");
        assert!(differences("A=y\n", "A=y\n").is_empty());
        assert!(!differences("A=y\nB=y\n", "B=y\nA=y\n").is_empty());
    }

    #[test]
    fn every_board_of_buildroots_has_both_defconfigs_and_no_file_is_left_over() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut wanted = names(&root).unwrap();
        let mut have: Vec<String> = fs::read_dir(root.join("buildroot-external/configs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        wanted.sort();
        have.sort();
        assert_eq!(wanted, have);
    }
}
