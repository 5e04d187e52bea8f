// SPDX-License-Identifier: MIT

//! The tables and options of the documents are those of the program.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use resdump::{cli::Cli, exit_codes::ExitCode};

fn document(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name),
    )
    .unwrap()
}

/// Cells of the rows of the first table after `heading`.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(heading).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

#[test]
fn exit_statuses_are_documented() {
    let kind = |code: ExitCode| serde_json::to_value(code).unwrap();
    let program: Vec<(String, String)> = ExitCode::ALL
        .iter()
        .map(|&code| {
            (
                (code as u8).to_string(),
                kind(code).as_str().unwrap().into(),
            )
        })
        .collect();
    let documented: Vec<(String, String)> = table(&document("docs/resdump.md"), "## Exit status")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(documented, program);
    let short: Vec<String> = table(&document("README.md"), "## Exit codes")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert!(
        short.iter().eq(program.iter().map(|(status, _)| status)),
        "{short:?}"
    );
}

#[test]
fn commands_are_documented() {
    let documented: BTreeSet<String> = table(&document("docs/resdump.md"), "## Commands")
        .into_iter()
        .filter_map(|row| row[0].split(' ').next().map(str::to_owned))
        .collect();
    let program: BTreeSet<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(documented, program);
}

/// Words that begin with two dashes and are not options of this program.
const OTHERS: [&str; 9] = [
    "cfg",
    "example",
    "path",
    "features",
    "no-default-features",
    "package",
    "release",
    "locked",
    "help",
];

#[test]
fn options_that_the_document_names_exist() {
    let definition = Cli::command();
    let program: BTreeSet<&str> = definition
        .get_subcommands()
        .chain([&definition])
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .chain(OTHERS)
        .collect();
    let text = document("docs/resdump.md");
    let named: BTreeSet<&str> = text
        .split("--")
        .skip(1)
        .filter_map(|after| {
            let end = after
                .find(|letter: char| !letter.is_ascii_lowercase() && letter != '-')
                .unwrap_or(after.len());
            Some(after[..end].trim_end_matches('-')).filter(|name| !name.is_empty())
        })
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let unknown: Vec<_> = named.difference(&program).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
