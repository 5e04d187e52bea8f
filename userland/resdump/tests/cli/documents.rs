// SPDX-License-Identifier: MIT

//! The tables and options of the documents are those of the program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use clap::CommandFactory;
use resdump::{cli::Cli, exit_codes::ExitCode};
use serde_json::Value;

use crate::bench::Bench;

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
    let documented: Vec<(String, String)> = table(&document(REFERENCE), "## Exit status")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(documented, program);
}

#[test]
fn commands_are_documented() {
    let documented: BTreeSet<String> = table(&document(REFERENCE), "## Commands")
        .into_iter()
        .filter_map(|row| row[0].split(' ').next().map(str::to_owned))
        .collect();
    let program: BTreeSet<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(documented, program);
}

const REFERENCE: &str = "docs/reference/resdump.md";

/// The commands that take each option, without those that no help shows.
fn options() -> BTreeMap<String, BTreeSet<String>> {
    let mut definition = Cli::command();
    // Options of commands are defined when they are needed.
    definition.build();
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for command in definition.get_subcommands() {
        // With what its own commands take.
        let own = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments);
        let all_of_it = command.get_arguments().chain(own);
        let shown = all_of_it.filter(|it| !it.is_hide_set());
        for option in shown.filter_map(clap::Arg::get_long) {
            let commands = all.entry(option.into()).or_default();
            commands.insert(command.get_name().into());
        }
    }
    for option in definition.get_arguments().filter_map(clap::Arg::get_long) {
        all.insert(option.into(), ["all".into()].into());
    }
    all.retain(|option, _| !["help", "version"].contains(&option.as_str()));
    all
}

#[test]
fn every_option_is_documented_with_its_commands() {
    let documented: BTreeMap<String, BTreeSet<String>> = table(&document(REFERENCE), "## Options")
        .into_iter()
        .map(|row| {
            let option = row[0].trim_start_matches("--");
            let end = option.find([' ', ',', '[']).unwrap_or(option.len());
            let commands = row[1].split(", ").map(str::to_owned);
            (option[..end].to_owned(), commands.collect())
        })
        .collect();
    assert_eq!(documented, options());
}

/// Options of other programs that the document names.
const OTHERS: [&str; 8] = [
    "cfg",
    "example",
    "features",
    "help",
    "locked",
    "no-default-features",
    "package",
    "release",
];

#[test]
fn options_that_the_document_names_exist() {
    let known = options();
    let text = document(REFERENCE);
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
    let unknown: Vec<_> = named
        .iter()
        .filter(|name| !known.contains_key(**name) && !OTHERS.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Names of the fields in the first table after `heading`.
fn fields(heading: &str) -> BTreeSet<String> {
    table(&document(REFERENCE), heading)
        .iter()
        .flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_field_of_a_manifest_is_documented() {
    let bench = Bench::new(4096);
    let written = |args: &[&str]| {
        bench.dump(&[args, &["--force"]].concat());
        let manifest = bench.manifest();
        manifest.as_object().unwrap().keys().cloned().collect()
    };
    let mut program: BTreeSet<String> = written(&["--digest", "crc32c"]);
    for base in ["0x1000", "0x8000"] {
        let output = bench.run(&[
            "convert",
            "./saved",
            &format!("./{base}"),
            "--to",
            "lime",
            "--base",
            base,
        ]);
        assert!(output.status.success(), "{output:?}");
    }
    let output = bench.run(&["convert", "./0x1000", "./0x8000", "./two", "--to", "lime"]);
    assert!(output.status.success(), "{output:?}");
    let two: Value = serde_json::from_slice(&fs::read(bench.path("two.json")).unwrap()).unwrap();
    assert_eq!(two["schema"], 2);
    program.extend(two.as_object().unwrap().keys().cloned());
    assert_eq!(fields("A dump is complete when"), program);
}
