// SPDX-License-Identifier: MIT

//! The JSON objects are what docs/reference/resdump.md says they are.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::bench::{Bench, stderr};

/// What the table of the document names for a command.
fn documented(command: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/resdump.md");
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

/// Fields of a disk.
const QUEUE: [&str; 7] = [
    "disk",
    "max_sectors_kb",
    "max_hw_sectors_kb",
    "max_segments",
    "max_segment_size",
    "nr_requests",
    "rotational",
];

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
        if args[0] == "bench" && json["queue"].is_null() {
            // The kernel does not know this machine's disk.
            found.extend(QUEUE.map(str::to_owned));
        }
        assert_eq!(found, documented(args[0]), "{line}");
    }
}

#[test]
fn an_error_has_the_documented_fields() {
    let bench = Bench::new(1);
    let output = bench.run(&["show", "./none", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&String> = json["error"].as_object().unwrap().keys().collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/resdump.md");
    let text = fs::read_to_string(path).unwrap();
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

/// The one object that there is: all of the text.
fn only(text: &[u8]) -> Value {
    serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(text)))
}

#[test]
fn a_wrong_command_line_is_an_object_too() {
    let bench = Bench::new(1);
    let commands = crate::messages::commands();
    assert!(commands.len() > 10);
    for command in &commands {
        let output = bench.run(&[command, "--json", "--bogus"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let json = if command == "send" {
            assert!(output.stdout.is_empty());
            only(&output.stderr)
        } else {
            assert_eq!(stderr(&output).lines().count(), 1, "{command}");
            only(&output.stdout)
        };
        assert_eq!(
            (&json["command"], &json["error"]["kind"]),
            (&command.as_str().into(), &"usage".into())
        );
    }
    for line in [&["--json"][..], &["--json", "bogus"], &["dump", "--json"]] {
        let json = only(&bench.run(line).stdout);
        assert_eq!(json["error"]["exit_status"], 2, "{line:?}");
    }
    assert_eq!(only(&bench.run(&["--json"]).stdout)["command"], Value::Null);
    // An argument after "--" is a name.
    let output = bench.run(&["show", "--bogus", "--", "--json"]);
    assert!(output.stdout.is_empty() && !output.stderr.starts_with(b"{"));
}

#[test]
fn data_on_standard_output_has_its_object_on_standard_error_alone() {
    let bench = Bench::new(100_000);
    let output = bench.run(&["dump", "./saved", "-", "--json"]);
    assert!(output.stdout == bench.bytes);
    assert_eq!(only(&output.stderr)["error"], Value::Null);
    for line in [
        "dump ./none - --json",
        "dump ./saved - --json --offset 1E",
        "dump ./saved - --json --verify",
        "dump ./saved - --json --bogus",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let output = bench.run(&args);
        assert!(output.stdout.is_empty(), "{line}");
        let status = output.status.code().unwrap();
        assert_eq!(
            only(&output.stderr)["error"]["exit_status"],
            status,
            "{line}"
        );
    }
}

/// Runs it through a shell, for its redirections.
fn shell(bench: &Bench, line: &str) -> std::process::Output {
    std::process::Command::new("sh")
        .args(["-c", line])
        .env("R", env!("CARGO_BIN_EXE_resdump"))
        .env_remove("RUST_LOG")
        .current_dir(bench.folder.path())
        .output()
        .unwrap()
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let bench = Bench::new(4096);
    for (line, status) in [
        ("$R --help >/dev/full", 7),
        ("$R --version >/dev/full", 7),
        ("$R show ./saved >/dev/full", 7),
        ("$R show ./saved --json >/dev/full", 7),
        ("$R dump ./saved ./a >/dev/full", 7),
        ("$R show ./saved >&-", 1),
        ("$R --help >&-", 1),
        ("$R dump ./saved ./b --quiet >&-", 0),
        ("$R dump ./saved ./b >&-", 6),
    ] {
        let output = shell(&bench, line);
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
        let lines = if status == 0 { 0 } else { 1 };
        assert_eq!(stderr(&output).lines().count(), lines, "{line}: {output:?}");
    }
}

#[test]
fn both_ends_of_a_stream_have_the_documented_fields() {
    use crate::peers::{Receiver, send};
    let bench = Bench::new(100_000);
    let receiver = Receiver::start(&bench, &["--json"]);
    let sent = send(&bench, &receiver, &["--digest", "crc32c", "--json"]);
    let (_, received, _) = receiver.end();
    let sent: Value = serde_json::from_slice(&sent.stdout).unwrap();
    let received: Value = serde_json::from_str(&received).unwrap();
    assert_eq!(
        (&sent["bytes"], &sent["complete"]),
        (&100_000.into(), &true.into())
    );
    for (command, json) in [("dump", sent), ("receive", received)] {
        let mut found = BTreeSet::new();
        names(&json, &mut found);
        assert_eq!(found, documented(command));
    }
}

#[test]
fn a_sender_over_a_line_claims_what_was_stored_and_no_more() {
    let bench = Bench::new(100_000);
    // Its input ends: there was no answer.
    let output = bench.run(&["send", "./saved", "--json"]);
    assert_eq!(output.status.code(), Some(8));
    let said = stderr(&output);
    let json: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&json["bytes"], &json["complete"]),
        (&0.into(), &false.into())
    );
    let mut found = BTreeSet::new();
    names(&json, &mut found);
    assert_eq!(found, documented("send"));
}
