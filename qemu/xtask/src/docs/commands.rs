// SPDX-License-Identifier: MIT
//! Commands `make TARGET NAME=value` in the documents have a target and variables that the Makefile has.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;

use super::Document;
use host::paths::Paths;

/// Findings, a line each.
pub fn check(
    paths: &Paths,
    documents: &[Document],
    variables: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let makefile = fs::read_to_string(paths.root.join("Makefile"))?;
    Ok(wrong(documents, &targets(&makefile), variables))
}

fn wrong(
    documents: &[Document],
    targets: &BTreeSet<String>,
    variables: &BTreeSet<String>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        for (code, line) in &document.code {
            let unknown = unknown(code, targets, variables);
            findings.extend(unknown.map(|word| {
                let path = &document.path;
                format!("{path}:{line}: the Makefile has no {word}: {code}")
            }));
        }
    }
    findings
}

/// The first word of a command that the Makefile does not have; `None` for what is no such command.
fn unknown(code: &str, targets: &BTreeSet<String>, variables: &BTreeSet<String>) -> Option<String> {
    let code = code.trim_start_matches("$ ");
    let words = code.split_once('#').map_or(code, |(command, _)| command);
    // A value in quotes has words that are no targets.
    let words = words.split('"').next().unwrap_or_default();
    let mut words = words
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let is_make = words.next() == Some("make");
    words
        .take_while(|word| is_make && !word.starts_with('-') && !"&&|;".contains(*word))
        .find(|word| match word.split_once('=') {
            Some((name, _)) => !variables.contains(name),
            None => !targets.contains(*word) && !word.starts_with("buildroot-"),
        })
        .map(str::to_owned)
}

/// Names before the colon of a rule.
fn targets(makefile: &str) -> BTreeSet<String> {
    let rules = makefile.lines().filter_map(|line| line.split_once(':'));
    let named = rules.filter(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || "-%".contains(c))
    });
    named.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let targets = targets("run: setup ## x\n\t@true\ntest-debug: setup\nA := b:c\n");
        wrong(
            &[Document::parse("a.md", text)],
            &targets,
            &BTreeSet::from(["BOARD".to_owned()]),
        )
    }

    #[test]
    fn commands_of_the_makefile_are_good_and_those_of_others_are_not_looked_at() {
        let text = "`make run` and `cmake run`\n\n    make test-debug BOARD=x  # all\n    make -C x modules\n    \
                    make buildroot-x && y\n    make run BOARD=\"a b\"\n";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn a_target_or_variable_that_is_not_there_is_found() {
        let found = found("`make runs`\n\n    $ make run\n    $ make run BORD=x\n");
        assert_eq!(
            found,
            [
                "a.md:1: the Makefile has no runs: make runs",
                "a.md:4: the Makefile has no BORD=x: $ make run BORD=x"
            ]
        );
    }
}
