// SPDX-License-Identifier: MIT
//! Checks of what is written for people: documents, messages, comments, commits.

mod commands;
mod commits;
mod language;
mod links;
mod markdown;
mod settings;
mod version;
mod width;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::boards_table;
use host::command::output_of;
use host::paths::Paths;
use host::step::Step;
use language::Language;
use markdown::Document;

/// Files whose words are looked at: what people write, and no data.
const WRITTEN: [&str; 12] = [
    "rs", "md", "sh", "c", "h", "py", "mk", "conf", "config", "dtso", "yaml", "yml",
];
/// The same without an ending.
const WRITTEN_NAMES: [&str; 3] = ["Makefile", "Kbuild", "Config.in"];
/// The phrases themselves.
const PHRASES: &str = "qemu/xtask/language.toml";

/// Files of the checkout, as git knows them.
pub struct Files(BTreeSet<String>);

impl Files {
    fn of<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        Self(paths.map(str::to_owned).collect())
    }

    /// Those that are committed, or would be.
    pub fn list(paths: &Paths) -> Result<Self> {
        let list = output_of(
            Command::new("git")
                .args(["ls-files", "--cached", "--others", "--exclude-standard"])
                .current_dir(&paths.root),
        )?;
        let there = |path: &&str| paths.root.join(path).is_file();
        Ok(Self::of(list.lines().filter(there)))
    }

    /// Their names below the checkout.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `path` is a file, or a folder with files.
    fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.0.contains(path) || self.0.iter().any(|file| file.starts_with(&folder))
    }

    fn documents(&self, paths: &Paths) -> Result<Vec<Document>> {
        let names = self.0.iter().filter(|path| path.ends_with(".md"));
        names
            .map(|path| {
                Ok(Document::parse(
                    path,
                    &fs::read_to_string(paths.root.join(path))?,
                ))
            })
            .collect()
    }

    /// Path and text of what people write.
    fn written(&self, paths: &Paths) -> Result<Vec<(String, String)>> {
        let mut written = Vec::new();
        for path in &self.0 {
            let name = path.rsplit('/').next().unwrap_or(path);
            let known = match name.rsplit_once('.') {
                Some((_, ending)) => WRITTEN.contains(&ending) || WRITTEN_NAMES.contains(&name),
                None => WRITTEN_NAMES.contains(&name) || path.contains("/init.d/"),
            };
            if known {
                written.push((path.clone(), fs::read_to_string(paths.root.join(path))?));
            }
        }
        Ok(written)
    }
}

/// Runs all checks, and lists all that they find.
pub fn check(paths: &Paths) -> Result<()> {
    let logs = paths.out.join("log");
    let step = Step::start(&logs, "lint-docs", "documents, language, settings, commits")?;
    let files = Files::list(paths)?;
    let documents = files.documents(paths)?;
    let language = Language::parse(&fs::read_to_string(paths.root.join(PHRASES))?)?;
    let mut findings = links::check(&files, &documents);
    findings.extend(width::check(&documents));
    let variables = settings::make(paths)?;
    findings.extend(settings::check(paths, &documents, &variables)?);
    findings.extend(boards_table::check(paths)?);
    findings.extend(commands::check(paths, &documents)?);
    findings.extend(version::check(paths)?);
    findings.extend(language.check(&files.written(paths)?));
    findings.extend(commits::check(paths)?);
    if !findings.is_empty() {
        bail!("{} findings:\n{}", findings.len(), findings.join("\n"));
    }
    step.done();
    Ok(())
}
