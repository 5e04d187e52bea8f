// SPDX-License-Identifier: MIT

//! What is refused for want of room has cost nothing of what was there.

use std::{fs, process::Command};

use super::{is_root, names, signals::limited, storage::Mount};
use crate::bench::{Bench, stderr};

const WAYS: [&[&str]; 3] = [&[], &["--engine", "read"], &["--no-manifest"]];

#[test]
fn a_file_that_is_to_be_overwritten_stays_where_there_is_no_room() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(1 << 20);
    let memory = Mount::new(
        "none",
        bench.path("small"),
        &["-t", "tmpfs", "-o", "size=600k"],
    );
    let output = bench.run(&["dump", "./saved", "./small/out", "--length", "256K"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let before = ["small/out", "small/out.json"].map(|name| fs::read(bench.path(name)).unwrap());
    let bench_line = [
        "bench",
        "./small/out",
        "--region",
        "./saved",
        "--force",
        "--quiet",
    ];
    let dumps = WAYS.map(|more| [&["dump", "./saved", "./small/out", "--force"], more].concat());
    for line in dumps.iter().map(|line| &line[..]).chain([&bench_line[..]]) {
        let output = bench.run(line);
        assert_eq!(
            output.status.code(),
            Some(7),
            "{line:?} {}",
            stderr(&output)
        );
        let after = ["small/out", "small/out.json"].map(|name| fs::read(bench.path(name)).unwrap());
        assert!(before == after, "{line:?}");
        assert_eq!(bench.path("small").read_dir().unwrap().count(), 2);
    }
    // In its place there is room.
    let line = [
        "dump",
        "./saved",
        "./small/out",
        "--force",
        "--length",
        "448K",
    ];
    let output = bench.run(&line);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(memory);
}

#[test]
fn so_does_one_that_would_become_larger_than_is_allowed() {
    let bench = Bench::new(1 << 20);
    fs::write(bench.path("out"), "precious").unwrap();
    for line in [
        "dump ./saved ./out --force",
        "dump ./saved ./out --force --no-manifest",
        "dump ./saved ./out --force --zero-skip",
        "bench ./out --region ./saved --force --quiet",
    ] {
        let (status, said) = limited(&bench, 100, line);
        assert_eq!(status, Some(7), "{line}: {said}");
        assert!(said.contains("EFBIG"), "{line}: {said}");
        assert_eq!(bench.out(), b"precious", "{line}");
        assert_eq!(names(&bench), ["out", "saved"], "{line}");
    }
}

#[test]
fn nothing_is_made_in_a_folder_where_it_could_not_be_removed() {
    let bench = Bench::new(8192);
    fs::create_dir(bench.path("log")).unwrap();
    let chattr = |flag: &str| {
        let path = bench.path("log");
        let done = Command::new("chattr").arg(flag).arg(path).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !is_root() || !chattr("+a") {
        eprintln!("LEFT OUT: no append-only folders here");
        return;
    }
    let mut seen = Vec::new();
    for line in [
        &["dump", "./saved", "./log/x"][..],
        &["dump", "./saved", "./log/x", "--no-manifest"],
        &["dump", "./saved", "./out", "--manifest", "./log/x"],
        &["convert", "./saved", "./log/x", "--to", "raw"],
        &["receive", "tcp:127.0.0.1:0", "./log/x"],
        &["bench", "./log/x", "--region", "./saved", "--quiet"],
        &["doctor", "./saved", "--target", "./log"],
    ] {
        let output = bench.run(line);
        let left = bench.path("log").read_dir().unwrap().count();
        seen.push((line, output.status.code(), left));
    }
    assert!(chattr("-a"));
    for (line, status, left) in seen {
        let expected = if line[0] == "doctor" { 10 } else { 4 };
        assert_eq!((status, left), (Some(expected), 0), "{line:?}");
    }
    assert_eq!(names(&bench), ["log", "saved"]);
}
