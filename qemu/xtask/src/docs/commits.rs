// SPDX-License-Identifier: MIT
//! Subjects of commits fit a line.

use std::process::Command;

use anyhow::Result;

use host::command::output_of;
use host::paths::Paths;

/// Most characters of a subject.
const COLUMNS: usize = 72;
/// The commit that brought this check; a subject before it was longer.
const BEFORE: &str = "ff3b4fc";

/// Findings, a line each. Of a checkout without history only its last commit is looked at, of a copy
/// without git's folder nothing.
pub fn check(paths: &Paths) -> Result<Vec<String>> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(&paths.root);
        output_of(&mut git)
    };
    if git(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
        return Ok(Vec::new());
    }
    let commit = format!("{BEFORE}^{{commit}}");
    let range = match git(&["rev-parse", "--verify", "--quiet", &commit]) {
        Ok(_) => format!("{BEFORE}..HEAD"),
        Err(_) => "-1".to_owned(),
    };
    Ok(long(&git(&[
        "log",
        "--no-merges",
        "--format=%h %s",
        &range,
    ])?))
}

/// Lines `number subject` with a subject that is too long.
fn long(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.split_once(' '));
    let long = lines.filter(|(_, subject)| subject.chars().count() > COLUMNS);
    long.map(|(number, subject)| {
        let columns = subject.chars().count();
        format!("commit {number}: a subject of {columns} characters, {COLUMNS} at most: {subject}")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_is_too_long_is_found() {
        let log = format!("1234567 {}\n89abcde {}\n", "a".repeat(72), "b".repeat(73));
        let found = long(&log);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("commit 89abcde: a subject of 73"));
    }
}
