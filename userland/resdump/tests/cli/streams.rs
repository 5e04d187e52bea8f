// SPDX-License-Identifier: MIT

//! Standard output, connections and compression.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use crate::bench::{Bench, stderr};

/// `resdump receive` on a port of its own choice; the process, and where it listens.
fn receiver(bench: &Bench) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_resdump"))
        .args(["receive", "tcp:127.0.0.1:0", "./out", "--quiet"])
        .current_dir(bench.folder.path())
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
    let status = Command::new(env!("CARGO_BIN_EXE_resdump"))
        .args(["dump", "./saved", "-", "--quiet"])
        .current_dir(bench.folder.path())
        .stdout(fs::File::create(bench.path("out")).unwrap())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn a_reader_that_goes_away_leaves_the_dump_incomplete() {
    let bench = Bench::new(4 << 20);
    let mut child = Command::new(env!("CARGO_BIN_EXE_resdump"))
        .args(["dump", "./saved", "-"])
        .current_dir(bench.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).contains("EPIPE (32): the other end went away"));
}

/// Where those programs are installed.
#[test]
fn what_was_compressed_is_read_by_other_programs() {
    let mut bench = Bench::new((3 << 20) + 7);
    bench.bytes[..1 << 20].fill(7);
    fs::write(bench.path("saved"), &bench.bytes).unwrap();
    for program in ["zstd", "lz4"] {
        let output = bench.run(&["dump", "./saved", "-", "--compress", program]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(output.stdout.len() < bench.bytes.len());
        fs::write(bench.path("packed"), &output.stdout).unwrap();
        let run = Command::new(program)
            .args(["-d", "-c", "packed"])
            .current_dir(bench.folder.path())
            .output();
        if let Ok(unpacked) = run {
            assert!(unpacked.stdout == bench.bytes, "{}", stderr(&unpacked));
        }
    }
}

#[test]
fn a_dump_over_a_connection_is_identical_and_has_a_manifest() {
    for compress in [&[][..], &["--compress", "lz4"], &["--compress", "zstd"]] {
        let bench = Bench::new((2 << 20) + 9);
        let (mut receiver, address) = receiver(&bench);
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
fn a_connection_that_breaks_leaves_no_complete_dump() {
    let bench = Bench::new(4096);
    let (mut receiver, address) = receiver(&bench);
    drop(TcpStream::connect(&address).unwrap());
    assert_eq!(receiver.wait().unwrap().code(), Some(8));
    assert!(!bench.path("out").exists(), "nothing was announced");
}

#[test]
fn streams_refuse_what_they_cannot() {
    let bench = Bench::new(4096);
    for flag in ["--resume", "--verify", "--zero-skip"] {
        let output = bench.run(&["dump", "./saved", "-", flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        assert!(stderr(&output).contains(flag) && output.stdout.is_empty());
    }
    let output = bench.run(&["dump", "./saved", "./out", "--compress", "lz4"]);
    assert_eq!(output.status.code(), Some(2));
}
