// SPDX-License-Identifier: MIT
//! Runs of the suite and builds of images that were made: `docs/results/runs.json`, and what a run leaves for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use host::command::output_of;
use serde::{Deserialize, Serialize};

/// The record, below the checkout.
pub const RECORD: &str = "docs/results/runs.json";
/// Where the suite leaves a run for the record, below the output folder.
const LEFT: &str = "runs";

/// What came out.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Outcome {
    /// The suite ran.
    Suite {
        /// Tests that passed.
        passed: u64,
        /// Tests that failed.
        failed: u64,
        /// Tests that were left out, each with its reason; not known of old runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        excluded: Option<u64>,
    },
    /// An image was built.
    Built,
}

/// A command that was run for a board.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The board's name.
    pub board: String,
    /// Flavours of its kernel.
    pub kernel: String,
    /// The command.
    pub command: String,
    /// Year, month and day, with hyphens (UTC).
    pub date: String,
    /// What a reader has to know besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// What came out.
    pub outcome: Outcome,
}

impl Run {
    /// Whether it was the suite without a filter.
    pub fn is_whole_suite(&self) -> bool {
        matches!(self.outcome, Outcome::Suite { .. }) && !self.command.contains("TEST=")
    }
}

/// This day, as [`Run::date`] has it.
pub fn today() -> Result<String> {
    output_of(Command::new("date").args(["-u", "+%F"]))
}

/// The record of the checkout in `root`.
pub fn load(root: &Path) -> Result<Vec<Run>> {
    read(&root.join(RECORD))
}

/// Writes the record of the checkout in `root`.
pub fn store(root: &Path, runs: &[Run]) -> Result<()> {
    write(&root.join(RECORD), runs)
}

/// Leaves a run below the output folder for the record, in a file of this name.
pub fn leave(out: &Path, name: &str, run: &Run) -> Result<()> {
    let folder = out.join(LEFT);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(
        &folder.join(name).with_extension("json"),
        std::slice::from_ref(run),
    )
}

/// The runs that were left below the output folder, in the order of their names.
pub fn left(out: &Path) -> Result<Vec<Run>> {
    let folder = out.join(LEFT);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&folder)? {
        files.push(entry?.path());
    }
    files.sort();
    let runs: Vec<Vec<Run>> = files.iter().map(|file| read(file)).collect::<Result<_>>()?;
    Ok(runs.concat())
}

/// Puts runs into a record: one takes the place of an older one of the same board and command.
pub fn merge(record: &mut Vec<Run>, runs: Vec<Run>) {
    for run in runs {
        let same = |old: &&mut Run| old.board == run.board && old.command == run.command;
        match record.iter_mut().find(same) {
            Some(old) if old.date <= run.date => *old = run,
            Some(_) => {}
            None => record.push(run),
        }
    }
}

fn read(file: &Path) -> Result<Vec<Run>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no record of runs", file.display()))
}

fn write(file: &Path, runs: &[Run]) -> Result<()> {
    let text = serde_json::to_string_pretty(runs)? + "\n";
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, date: &str, passed: u64) -> Run {
        Run {
            board: "one".to_owned(),
            kernel: "appliance".to_owned(),
            command: command.to_owned(),
            date: date.to_owned(),
            remark: None,
            outcome: Outcome::Suite {
                passed,
                failed: 0,
                excluded: Some(1),
            },
        }
    }

    #[test]
    fn a_newer_run_takes_the_place_of_an_older_one() {
        let mut record = vec![run("a", "2026-11-02", 1), run("b", "2026-11-02", 2)];
        merge(
            &mut record,
            vec![
                run("a", "2026-11-03", 3),
                run("b", "2026-11-01", 4),
                run("c", "2026-11-01", 5),
            ],
        );
        let passed: Vec<_> = record.iter().map(|run| run.outcome.clone()).collect();
        let wanted = [3, 2, 5].map(|number| run("x", "", number).outcome);
        assert_eq!(passed, wanted);
    }

    #[test]
    fn what_is_left_is_found() {
        let out = tempfile::tempdir().unwrap();
        assert_eq!(left(out.path()).unwrap(), []);
        let runs = [run("a", "2026-11-02", 1), run("b", "2026-11-03", 2)];
        for (name, run) in ["one", "two"].into_iter().zip(&runs) {
            leave(out.path(), name, run).unwrap();
        }
        assert_eq!(left(out.path()).unwrap(), runs);
    }

    #[test]
    fn a_word_that_means_nothing_is_an_error() {
        let text = "[{\"board\":\"a\",\"kernel\":\"k\",\"command\":\"c\",\"date\":\"d\",\"outcome\":\"guessed\"}]";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs.json");
        fs::write(&file, text).unwrap();
        assert!(format!("{:#}", read(&file).unwrap_err()).contains("is no record of runs"));
        fs::write(&file, text.replace("guessed", "built")).unwrap();
        assert_eq!(read(&file).unwrap()[0].outcome, Outcome::Built);
    }
}
