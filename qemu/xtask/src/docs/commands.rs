// SPDX-License-Identifier: MIT
//! Commands `make TARGET NAME=value` in the documents are ones that make takes: it is asked, without doing them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Document;
use host::paths::Paths;

/// Findings, a line each.
pub fn check(paths: &Paths, documents: &[Document]) -> Result<Vec<String>> {
    wrong(documents, &paths.root)
}

fn wrong(documents: &[Document], folder: &Path) -> Result<Vec<String>> {
    let mut answers = BTreeMap::new();
    let mut findings = Vec::new();
    for document in documents {
        for (code, line) in &document.code {
            let Some(command) = command(code) else {
                continue;
            };
            if !answers.contains_key(command) {
                answers.insert(command, refusal(command, folder)?);
            }
            if let Some(Some(said)) = answers.get(command) {
                findings.push(format!("{}:{line}: {code}: {said}", document.path));
            }
        }
    }
    Ok(findings)
}

/// The command of make in a line of code, as a shell reads it; `None` for what is no such command, or is for another
/// folder's Makefile.
fn command(code: &str) -> Option<&str> {
    let code = code.trim_start_matches("$ ");
    let mut quoted = false;
    let end = code.find(|letter| {
        quoted ^= letter == '"';
        !quoted && "#&|;>".contains(letter)
    });
    let code = code[..end.unwrap_or(code.len())].trim();
    let mut words = code
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let is_make = words.next() == Some("make");
    (is_make && !words.any(|word| word == "-C")).then_some(code)
}

/// What make has against it.
fn refusal(command: &str, folder: &Path) -> Result<Option<String>> {
    let dry = command.replacen("make", "make --dry-run", 1);
    let output = Command::new("sh")
        .args(["-c", &dry])
        .current_dir(folder)
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .stdin(Stdio::null())
        .output()
        .context("sh")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| said.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let makefile = "VARIABLES := BOARD\n$(foreach given,$(filter-out $(VARIABLES),$(foreach word,\
                        $(filter-out -%,$(subst \\ ,_,$(MAKEOVERRIDES))),$(firstword $(subst =, ,$(word))))),\
                        $(error no $(given)))\nrun:\n\tfalse\ntest-debug: run\nbuildroot-%:\n\tfalse\n";
        fs::write(folder.path().join("Makefile"), makefile).unwrap();
        wrong(&[Document::parse("a.md", text)], folder.path()).unwrap()
    }

    #[test]
    fn commands_of_the_makefile_are_good_and_those_of_others_are_not_looked_at() {
        let text = "`make run` and `cmake run`\n\n    make test-debug BOARD=x  # all\n    make -C x modules\n    \
                    make buildroot-x && y\n    make run BOARD=\"a b; c=d\"\n    BOARD=a make run\n";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn a_target_or_variable_that_is_not_there_is_found() {
        let found = found("`make runs`\n\n    $ make run\n    $ make run BORD=x\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.md:1: make runs: ") && found[0].contains("'runs'"));
        assert!(
            found[1].starts_with("a.md:4: $ make run BORD=x: ") && found[1].contains("no BORD")
        );
    }
}
