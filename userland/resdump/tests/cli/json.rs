// SPDX-License-Identifier: MIT

//! The JSON objects are what docs/resdump.md says they are.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::bench::Bench;

/// What the table of the document names for a command.
fn documented(command: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/resdump.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("## JSON\n").unwrap();
    let row = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .find(|(commands, _)| commands.contains(&format!("`{command}`")));
    // In parentheses are values.
    let fields: String =
        row.unwrap()
            .1
            .split('(')
            .enumerate()
            .fold(String::new(), |text, (index, part)| {
                match (index, part.split_once(')')) {
                    (1.., Some((_, rest))) => text + rest,
                    _ => text + part,
                }
            });
    fields
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The names in an object and in what it holds, but for what is the same everywhere.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if !["schema", "command", "error"].contains(&name.as_str()) {
                    found.insert(name.clone());
                }
                if !["digest", "ratios", "error"].contains(&name.as_str()) {
                    names(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_object_has_the_documented_fields_and_no_other() {
    let bench = Bench::new(1 << 20);
    for line in [
        "show ./saved --json",
        "dump ./saved ./out --digest crc32c --json",
        "verify ./out --json",
        "convert ./out ./raw --to raw --json",
        "doctor ./saved --json",
        "bench ./rates --region ./saved --rounds 1 --chunk 1M --depth 1 --json",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let output = bench.run(&args);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&json["schema"], &json["error"]),
            (&1.into(), &Value::Null),
            "{line}"
        );
        assert_eq!(json["command"], args[0]);
        let mut found = BTreeSet::new();
        names(&json, &mut found);
        assert_eq!(found, documented(args[0]), "{line}");
    }
}

#[test]
fn an_error_has_the_documented_fields() {
    let bench = Bench::new(1);
    let output = bench.run(&["show", "./none", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&String> = json["error"].as_object().unwrap().keys().collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/resdump.md");
    let text = fs::read_to_string(path).unwrap();
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
