// SPDX-License-Identifier: MIT
//! Settings and their tables in the documents are the same: make's variables, the environment,
//! parameters of kernel and module, keys of board.conf and of lab files.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::Document;
use board::{keys, lab};
use host::command::output_of;
use host::paths::Paths;
use host::settings;

/// The document with the tables, by heading.
const SETTINGS: &str = "docs/reference/settings.md";
/// The document with the keys of board.conf.
const BOARDS: &str = "docs/reference/boards.md";

/// Findings, a line each.
pub fn check(
    paths: &Paths,
    documents: &[Document],
    variables: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let tables: [(&str, &str, BTreeSet<String>); 6] = [
        (SETTINGS, "variables-of-make", variables.clone()),
        (SETTINGS, "environment", environment()),
        (SETTINGS, "parameters-of-the-kernel", kernel(paths)?),
        (SETTINGS, "parameters-of-the-module", module(paths)?),
        (BOARDS, "boardconf", board()),
        (SETTINGS, "lab-file", lab()),
    ];
    let mut findings = Vec::new();
    for (path, anchor, known) in tables {
        let document = documents.iter().find(|one| one.path == path);
        let written = document.and_then(|one| one.first_cells.get(anchor));
        let written = written.with_context(|| format!("{path}: no table below #{anchor}"))?;
        findings.extend(differences(path, anchor, &known, written));
    }
    Ok(findings)
}

fn differences(
    path: &str,
    anchor: &str,
    known: &BTreeSet<String>,
    written: &BTreeSet<String>,
) -> Vec<String> {
    let lacks = known.difference(written);
    let more = written.difference(known);
    let lacks = lacks.map(|name| format!("{path}#{anchor}: {name} is missing in the table"));
    lacks
        .chain(more.map(|name| format!("{path}#{anchor}: {name} is in the table and nowhere else")))
        .collect()
}

/// What may be given to make, by its own list.
pub fn make(paths: &Paths) -> Result<BTreeSet<String>> {
    let list = output_of(
        Command::new("make")
            .args(["--silent", "--no-print-directory", "list-variables"])
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("MAKEOVERRIDES")
            .current_dir(&paths.root),
    )?;
    Ok(list.split_whitespace().map(str::to_owned).collect())
}

fn environment() -> BTreeSet<String> {
    let names = settings::NAMES.iter().chain(&settings::OTHERS);
    names.map(|name| (*name).to_owned()).collect()
}

/// `resdump.NAME=` in the scripts of the image.
fn kernel(paths: &Paths) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in WalkDir::new(paths.root.join("board/common/overlay/etc")) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let text = fs::read_to_string(entry.path())?;
            names.extend(
                text.split(|c: char| !(c.is_alphanumeric() || "._=".contains(c)))
                    .filter_map(|word| {
                        let (name, _) = word.split_once('=')?;
                        name.starts_with("resdump.").then(|| format!("{name}="))
                    }),
            );
        }
    }
    Ok(names)
}

/// `module_param(NAME, …)` in the module's sources.
fn module(paths: &Paths) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in WalkDir::new(paths.root.join("kmod")) {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "c") {
            let text = fs::read_to_string(entry.path())?;
            let parts = text.split("module_param(").skip(1);
            names.extend(
                parts
                    .filter_map(|part| part.split(',').next())
                    .map(str::to_owned),
            );
        }
    }
    Ok(names)
}

/// Keys that a board can have.
fn board() -> BTreeSet<String> {
    keys::table().map(|(key, _)| key.to_owned()).collect()
}

/// Keys that a lab file can have.
fn lab() -> BTreeSet<String> {
    lab::table().map(|(key, _)| key.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_lacks_is_found() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = differences("a.md", "x", &set(&["A", "B"]), &set(&["B", "C"]));
        assert_eq!(
            found,
            [
                "a.md#x: A is missing in the table",
                "a.md#x: C is in the table and nowhere else"
            ]
        );
        assert_eq!(
            differences("a.md", "x", &set(&["A"]), &set(&["A"])),
            [""; 0]
        );
    }
}
