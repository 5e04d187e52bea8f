// SPDX-License-Identifier: MIT

//! What the program says, word for word. `UPDATE_EXPECT=1 cargo test` takes over what has changed.

use std::fs;

use expect_test::expect_file;

use crate::bench::{Bench, stderr};

#[test]
fn help_of_the_program() {
    let output = Bench::new(1).run(&["-h"]);
    expect_file!["../snapshots/help.txt"].assert_eq(&String::from_utf8_lossy(&output.stdout));
}

#[test]
fn help_of_every_command_fits_a_terminal() {
    let bench = Bench::new(1);
    let commands = [
        "list", "show", "dump", "snapshot", "load", "verify", "convert", "send", "receive",
        "doctor", "bench",
    ];
    let all: Vec<String> = commands
        .iter()
        .map(|command| {
            let output = bench.run(&[command, "-h"]);
            format!(
                "$ resdump {command} -h\n{}",
                String::from_utf8_lossy(&output.stdout)
            )
        })
        .collect();
    expect_file!["../snapshots/commands.txt"].assert_eq(&all.join("\n"));
}

/// What direct I/O demands depends on the disk.
fn without_alignment(text: &str) -> String {
    const BEFORE: &str = "a multiple of ";
    match text.split_once(BEFORE) {
        Some((start, rest)) => {
            let end = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{start}{BEFORE}N{end}")
        }
        None => text.into(),
    }
}

/// Those that need no device.
#[test]
fn every_error() {
    let bench = Bench::new(8192);
    fs::write(bench.path("precious"), "precious").unwrap();
    fs::write(bench.path("broken"), "x").unwrap();
    fs::write(bench.path("broken.json"), "{").unwrap();
    fs::write(bench.path("old"), "x").unwrap();
    fs::write(
        bench.path("old.json"),
        bench
            .manifest_text()
            .replace("\"schema\": 1", "\"schema\": 9"),
    )
    .unwrap();
    bench.dump(&["--compress", "lz4"]);
    fs::rename(bench.path("out"), bench.path("packed")).unwrap();
    fs::rename(bench.path("out.json"), bench.path("packed.json")).unwrap();
    let lines = [
        "show ./none",
        "show /dev/null",
        "show ./saved --physical",
        "show ./saved --offset 8192",
        "show ./saved --offset 1 --length 0xffffffffffffffff",
        "show ./saved --length 0",
        "dump ./saved ./precious",
        "dump ./saved .",
        "dump ./saved /dev/null",
        "dump ./saved ./none/out",
        "dump ./saved ./out --offset 1",
        "dump ./saved ./out --seek 1",
        "dump ./saved ./out --seek 0x7fffffffffffffff",
        "dump ./saved ./out --engine kernel",
        "dump ./saved ./out --engine devmem",
        "dump ./saved ./out --engine read --strict",
        "dump ./saved ./out --length 4097 --strict",
        "dump ./saved ./out --max-size 4096",
        "dump ./saved ./out --compress lz4 --strict",
        "show ./packed",
        "dump ./saved ./precious --resume",
        "snapshot ./saved ./out",
        "snapshot no-such-region ./out",
        "snapshot ./saved ./out --resume",
        "snapshot ./saved ./out --engine kernel",
        "bench ./precious --region ./saved",
        "dump ./saved ./broken --resume",
        "dump ./saved - --verify",
        "dump ./saved tcp:127.0.0.1:1",
        "load ./saved ./saved",
        "verify ./none",
        "verify ./precious",
        "verify ./broken",
        "verify ./old",
        "convert ./saved ./precious --to raw",
        "convert ./saved ./out --to lime",
        "receive ./none ./out",
        "receive tcp:x:1 ./out",
    ];
    let all: Vec<String> = lines
        .iter()
        .map(|line| {
            let args: Vec<&str> = line.split(' ').collect();
            let output = bench.run(&args);
            assert!(output.stdout.is_empty(), "{line}");
            assert_eq!(
                stderr(&output).lines().count(),
                1,
                "{line}: {}",
                stderr(&output)
            );
            let status = output.status.code().unwrap();
            format!(
                "$ resdump {line}\n{}[{status}]\n",
                without_alignment(&stderr(&output))
            )
        })
        .collect();
    expect_file!["../snapshots/errors.txt"].assert_eq(&all.join("\n"));
}
