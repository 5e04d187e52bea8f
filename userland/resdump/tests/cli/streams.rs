// SPDX-License-Identifier: MIT

//! Standard output, connections and compression.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Stdio},
};

use crate::bench::{Bench, command, stderr};

/// `resdump receive` on a port of its own choice; the process, and where it listens.
fn receiver(bench: &Bench, args: &[&str]) -> (Child, String) {
    let receive = ["receive", "tcp:127.0.0.1:0", "./out", "--quiet"];
    let mut child = command(bench.folder.path(), &[&receive, args].concat())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_string();
    (child, address)
}

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
fn a_dump_over_a_connection_is_identical_and_has_a_manifest() {
    for compress in [&[][..], &["--compress", "lz4"], &["--compress", "zstd"]] {
        let bench = Bench::new((2 << 20) + 9);
        let (mut receiver, address) = receiver(&bench, &[]);
        let target = format!("tcp:{address}");
        let args = ["dump", "./saved", &target, "--digest", "crc32c", "--quiet"];
        let output = bench.run(&[&args, compress].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(receiver.wait().unwrap().success());
        assert_eq!(bench.out(), bench.bytes);
        let manifest = bench.manifest();
        assert_eq!(manifest["complete"], true);
        assert_eq!(manifest["region"], "./saved");
        assert_eq!(manifest["digest"]["algorithm"], "crc32c");
        assert!(bench.run(&["verify", "./out"]).status.success());
    }
}

#[test]
fn what_is_there_stays_until_its_manifest_says_that_it_is_gone() {
    let bench = Bench::new(4096);
    fs::write(bench.path("out"), "an old dump").unwrap();
    // No manifest can take the place of a folder.
    fs::create_dir(bench.path("out.json")).unwrap();
    let (mut receiver, address) = receiver(&bench, &["--force"]);
    bench.run(&["dump", "./saved", &format!("tcp:{address}"), "--quiet"]);
    assert!(!receiver.wait().unwrap().success());
    assert_eq!(bench.out(), b"an old dump");
}

#[test]
fn a_connection_that_breaks_leaves_no_complete_dump() {
    let bench = Bench::new(4096);
    let (mut receiver, address) = receiver(&bench, &[]);
    drop(TcpStream::connect(&address).unwrap());
    assert_eq!(receiver.wait().unwrap().code(), Some(8));
    assert!(!bench.path("out").exists(), "nothing was announced");
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
