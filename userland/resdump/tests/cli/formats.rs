// SPDX-License-Identifier: MIT

//! Files that hold a dump.

use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, stderr};

#[test]
fn an_elf_dump_is_a_core_file_and_a_source() {
    let bench = Bench::new((1 << 20) + 7);
    let (status, json) = bench.dump(&["--format", "elf", "--verify"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["direct"], 1 << 20);
    let out = bench.out();
    assert_eq!(&out[..4], b"\x7fELF");
    assert_eq!(out[4096..], bench.bytes);

    let output = bench.run(&["show", "./out", "--length", "4", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hex: String = bench.bytes[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(shown["hex"], hex);
}

#[test]
fn readelf_opens_an_elf_dump() {
    let bench = Bench::new(8192);
    bench.dump(&["--format", "elf"]);
    let run = Command::new("readelf")
        .args(["--wide", "--file-header", "--segments", "--notes"])
        .arg(bench.path("out"))
        .output();
    // Where binutils is installed.
    let Ok(output) = run else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    for part in ["CORE (Core file)", "LOAD ", "0x001000 ", "resdump"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}
