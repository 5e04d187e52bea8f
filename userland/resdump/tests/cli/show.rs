// SPDX-License-Identifier: MIT

//! `resdump show`.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, stderr};

#[test]
fn show_prints_32_bytes_a_line_to_what_is_no_terminal() {
    let bench = Bench::new(8192);
    fs::write(bench.path("saved"), b"0123456789abcdef0123456789ABCDEFx").unwrap();
    let output = bench.run(&["show", "./saved"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("0000000000  3031323334353637 3839616263646566 "));
    assert!(lines[0].ends_with("  0123456789abcdef0123456789ABCDEF"));
    assert!(lines[1].starts_with("0000000020  78 "));

    let json = bench
        .run(&["--json", "show", "./saved", "--offset", "0x1e"])
        .stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["hex"], "454678");
    assert_eq!(json["base"], Value::Null);
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let bench = Bench::new(4 << 20);
    let output = bench.run_unread(&["show", "./saved", "--length", "4M"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn an_unknown_region_is_an_error_of_its_own() {
    let bench = Bench::new(1);
    let output = bench.run(&["show", "no-such-region"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("resdump: "));
    assert_eq!(stderr(&output).lines().count(), 1);
}
