// SPDX-License-Identifier: MIT

//! Standard output and compression.

use std::fs;

use crate::bench::{Bench, command, stderr};

#[test]
fn standard_output_is_exactly_the_bytes() {
    let bench = Bench::new((2 << 20) + 5);
    let output = bench.run(&["dump", "./saved", "-", "--offset", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout, bench.bytes[3..]);
    // A pipe takes pages.
    let said = stderr(&output);
    assert!(said.contains("2097154 direct, 0 copied"), "{said}");
}

#[test]
fn standard_output_may_be_a_file() {
    let bench = Bench::new(100_000);
    let status = command(bench.folder.path(), &["dump", "./saved", "-", "--quiet"])
        .stdout(fs::File::create(bench.path("out")).unwrap())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn a_file_behind_standard_output_is_a_copy_in_the_page_cache() {
    let bench = Bench::new(100_000);
    let to_file = |args: &[&str]| {
        let out = fs::File::create(bench.path("out")).unwrap();
        command(
            bench.folder.path(),
            &[&["dump", "./saved", "-"], args].concat(),
        )
        .stdout(out)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
    };
    let output = to_file(&[]);
    assert!(
        stderr(&output).contains("0 direct, 100000 copied"),
        "{output:?}"
    );
    let output = to_file(&["--strict"]);
    assert_eq!(output.status.code(), Some(11));
    assert_eq!(bench.out(), b"", "it is refused before anything is written");
}

#[test]
fn a_full_disk_behind_standard_output_has_its_own_status() {
    let bench = Bench::new(100_000);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    for args in [&[][..], &["--compress", "lz4"], &["--json"]] {
        let output = command(
            bench.folder.path(),
            &[&["dump", "./saved", "-"], args].concat(),
        )
        .stdout(full.try_clone().unwrap())
        .output()
        .unwrap();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(stderr(&output).contains("ENOSPC"), "{output:?}");
    }
}

#[test]
fn a_closed_standard_output_is_an_error() {
    let bench = Bench::new(100_000);
    let line = format!("exec {} dump ./saved - >&-", env!("CARGO_BIN_EXE_resdump"));
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("EBADF (9)"), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_leaves_the_dump_incomplete() {
    let bench = Bench::new(4 << 20);
    let output = bench.run_unread(&["dump", "./saved", "-"]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).contains("EPIPE (32): the other end went away"));
}

#[test]
fn a_compressed_stream_is_what_a_compressed_file_is() {
    for method in ["zstd", "lz4"] {
        let bench = Bench::new((1 << 20) + 7);
        let output = bench.run(&["dump", "./saved", "-", "--compress", method]);
        assert!(output.status.success(), "{}", stderr(&output));
        bench.dump(&["--compress", method]);
        assert!(output.stdout == bench.out());
    }
}

#[test]
fn streams_refuse_what_they_cannot() {
    let bench = Bench::new(4096);
    for flags in [
        &["--resume"][..],
        &["--verify"],
        &["--zero-skip"],
        &["--partial"],
        &["--max-size", "1K"],
        &["--keep-free", "1K"],
        &["--engine", "mmap"],
        &["--chunk", "64K"],
        &["--depth", "2"],
        &["--mapped"],
    ] {
        let output = bench.run(&[&["dump", "./saved", "-"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(stderr(&output).contains(flags[0]) && output.stdout.is_empty());
    }
}
