// SPDX-License-Identifier: MIT

//! `--compress` to a file.

use std::{fs, process::Command};

use serde_json::Value;

use crate::bench::{Bench, stderr};

/// A folder whose saved file can be compressed somewhat.
fn bench() -> Bench {
    let mut bench = Bench::new((3 << 20) + 7);
    bench.bytes[..1 << 20].fill(7);
    fs::write(bench.path("saved"), &bench.bytes).unwrap();
    bench
}

#[test]
fn a_compressed_file_is_described_and_verified() {
    for method in ["zstd", "lz4"] {
        let bench = bench();
        let args = ["--compress", method, "--digest", "crc32c", "--verify"];
        let (status, json) = bench.dump(&args);
        assert_eq!((status, &json["error"]), (0, &Value::Null));
        assert_eq!(json["compression"], method);
        assert_eq!(json["stored"], bench.out().len());
        assert_eq!(
            (&json["direct"], &json["verified"]),
            (&0.into(), &true.into())
        );
        assert!(bench.out().len() < bench.bytes.len());
        let manifest = bench.manifest();
        assert_eq!(manifest["compression"], method);
        assert_eq!(manifest["stored"], bench.out().len());
        assert_eq!(manifest["bytes"], bench.bytes.len());
        assert!(
            bench
                .run(&["verify", "./out", "--against", "./saved"])
                .status
                .success()
        );
    }
}

#[test]
fn a_compressed_file_is_unpacked_by_convert() {
    let bench = bench();
    bench.dump(&[
        "--compress",
        "lz4",
        "--offset",
        "4096",
        "--digest",
        "sha256",
    ]);
    let output = bench.run(&["convert", "./out", "./raw", "--to", "raw"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read(bench.path("raw")).unwrap(), bench.bytes[4096..]);
}

/// Where those programs are installed.
#[test]
fn a_compressed_file_is_read_by_other_programs() {
    for program in ["zstd", "lz4"] {
        let bench = bench();
        bench.dump(&["--compress", program]);
        let run = Command::new(program)
            .args(["-d", "-c"])
            .arg(bench.path("out"))
            .stdin(fs::File::open(bench.path("out")).unwrap())
            .output();
        if let Ok(unpacked) = run {
            assert!(unpacked.stdout == bench.bytes, "{}", stderr(&unpacked));
        }
    }
}

#[test]
fn damage_to_a_compressed_file_is_found_without_a_digest() {
    let bench = bench();
    bench.dump(&["--compress", "zstd"]);
    let mut out = bench.out();
    let middle = out.len() / 2;
    out[middle] ^= 1;
    fs::write(bench.path("out"), &out).unwrap();
    assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(12));
    fs::write(bench.path("out"), &out[..middle]).unwrap();
    assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(13));
}

#[test]
fn a_compressed_file_is_not_taken_for_the_bytes_themselves() {
    let bench = bench();
    bench.dump(&["--compress", "lz4"]);
    let output = bench.run(&["show", "./out"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("resdump convert"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_compressed_is_refused() {
    let bench = bench();
    for flags in [
        &["--resume"][..],
        &["--seek", "4096"],
        &["--format", "elf"],
        &["--strict"],
        &["--zero-skip"],
        &["--partial"],
        &["--max-size", "1M"],
        &["--keep-free", "1M"],
    ] {
        let (status, json) = bench.dump(&[&["--compress", "lz4"], flags].concat());
        assert_eq!(status, 2, "{flags:?}");
        assert_eq!(json["error"]["subject"], flags[0]);
        assert!(!bench.path("out").exists());
    }
}
