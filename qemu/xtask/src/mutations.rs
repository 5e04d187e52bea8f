// SPDX-License-Identifier: MIT
//! `make mutations`: faults that are put into a copy of the sources one after the other. The tests must find each.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::reproducible::copy_checkout;
use host::command::{self, output};
use host::deadline::seconds;
use host::paths::Paths;
use image::toolchain::Toolchain;

/// A fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    /// What is wrong then.
    name: String,
    /// Below `userland`.
    file: String,
    /// What stands there once.
    from: String,
    to: String,
    /// Whose tests find it, and which of them are run.
    package: String,
    #[serde(default)]
    tests: String,
}

#[derive(Debug, Deserialize)]
struct List {
    mutation: Vec<Mutation>,
}

fn list() -> Result<Vec<Mutation>> {
    let list: List = toml::from_str(include_str!("../mutations.toml"))?;
    Ok(list.mutation)
}

/// Tries them all. Whether each was found.
pub fn check(paths: &Paths, tools: &Toolchain) -> Result<bool> {
    let folder = paths.fresh_out("mutations")?;
    let copy = folder.join("checkout");
    fs::create_dir_all(&copy)?;
    copy_checkout(&paths.root, &copy)?;
    let mut missed = Vec::new();
    for mutation in list()? {
        let file = copy.join("userland").join(&mutation.file);
        let whole = fs::read_to_string(&file).with_context(|| mutation.file.clone())?;
        fs::write(&file, mutation.apply(&whole)?)?;
        let run = |arguments: &[&str]| -> Command {
            let mut cargo = tools.command(tools.tool("cargo"));
            cargo
                .args([
                    "test",
                    "--quiet",
                    "--locked",
                    "--package",
                    &mutation.package,
                ])
                .args(arguments)
                .current_dir(copy.join("userland"))
                // What the tests of the checkout itself have compiled is taken.
                .env("CARGO_TARGET_DIR", paths.out.join("target/userland"));
            cargo
        };
        let built = command::status(&mut run(&["--no-run"]), seconds(3600))?;
        ensure!(built.success(), "{}: it does not compile", mutation.name);
        let tests: Vec<&str> = mutation.tests.split_whitespace().collect();
        let found = output(&mut run(&[&["--"], &tests[..]].concat()))?;
        fs::write(&file, whole)?;
        let verdict = if found.status.success() {
            "MISSED"
        } else {
            "found"
        };
        println!("{verdict}: {}", mutation.name);
        if found.status.success() {
            missed.push(mutation.name);
        }
    }
    fs::remove_dir_all(&folder)?;
    if !missed.is_empty() {
        println!(
            "{} faults are not found: {}",
            missed.len(),
            missed.join("; ")
        );
    }
    Ok(missed.is_empty())
}

impl Mutation {
    fn apply(&self, whole: &str) -> Result<String> {
        let count = whole.matches(&self.from).count();
        ensure!(
            count == 1,
            "{}: {} has {:?} {count} times",
            self.name,
            self.file,
            self.from
        );
        Ok(whole.replace(&self.from, &self.to))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_can_be_put_into_the_sources() {
        let userland = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../userland");
        let list = list().unwrap();
        for mutation in &list {
            let whole = fs::read_to_string(userland.join(&mutation.file)).unwrap();
            mutation.apply(&whole).unwrap();
        }
        assert!(list.len() >= 12);
    }
}
