// SPDX-License-Identifier: MIT

//! Files that hold a dump.

use std::{fs, process::Command};

use serde_json::Value;

use crate::bench::{Bench, stderr};

#[test]
fn an_elf_dump_is_a_core_file_and_a_source() {
    let bench = Bench::new((1 << 20) + 7);
    bench.describe();
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
    bench.describe();
    assert_eq!(bench.dump(&["--format", "elf"]).0, 0);
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

#[test]
fn converting_to_lime_and_back_is_identical() {
    let bench = Bench::new(10_000);
    let run = |args: &[&str]| bench.run(&[&["convert"], args].concat());
    let output = run(&["./saved", "./lime", "--to", "lime", "--base", "0xfc0000000"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lime = fs::read(bench.path("lime")).unwrap();
    assert_eq!(lime.len(), 10_032);
    assert_eq!(lime[..8], [b'E', b'M', b'i', b'L', 1, 0, 0, 0]);
    assert_eq!(lime[8..16], 0xf_c000_0000u64.to_le_bytes());
    assert_eq!(lime[16..24], (0xf_c000_0000u64 + 9_999).to_le_bytes());

    assert!(
        run(&["./lime", "./elf", "--to", "elf", "--machine", "ppc64"])
            .status
            .success()
    );
    let elf = fs::read(bench.path("elf")).unwrap();
    assert_eq!(elf[..6], [0x7f, b'E', b'L', b'F', 2, 2]);
    assert!(run(&["./elf", "./raw", "--to", "raw"]).status.success());
    assert_eq!(fs::read(bench.path("raw")).unwrap(), bench.bytes);
}

#[test]
fn a_dump_as_lime_is_that_of_convert() {
    let bench = Bench::new(10_000);
    let (status, error) = bench.dump(&["--format", "lime"]);
    assert_eq!(
        (status, error["error"]["kind"].as_str()),
        (2, Some("usage"))
    );
    bench.describe();
    for options in [
        &[][..],
        &["--verify", "--digest", "sha256"],
        &["--engine", "read"],
        &["--offset", "4096", "--length", "4097"],
    ] {
        let (status, report) = bench.dump(&[&["--format", "lime", "--force"], options].concat());
        assert_eq!(status, 0, "{report}");
        assert_eq!(
            (&report["direct"], &report["copied"]),
            (&0.into(), &report["bytes"])
        );
        let out = bench.out();
        let line = ["convert", "./out", "./other", "--to", "lime", "--force"];
        assert!(bench.run(&line).status.success(), "{options:?}");
        assert_eq!(out, fs::read(bench.path("other")).unwrap());
        assert!(bench.run(&["verify", "./out"]).status.success());
    }
    assert_eq!(
        bench.dump(&["--format", "lime", "--force", "--strict"]).0,
        11
    );
    assert_eq!(
        bench
            .dump(&["--format", "lime", "--force", "--engine", "kernel"])
            .0,
        6
    );
}

#[test]
fn an_interrupted_lime_dump_is_resumed() {
    let bench = Bench::new(1 << 20);
    bench.describe();
    let whole = bench.dump(&["--format", "lime"]);
    assert_eq!(whole.0, 0, "{}", whole.1);
    let expected = bench.out();
    // As the last checkpoint left it: no header yet.
    let mut half = expected[..32 + (512 << 10)].to_vec();
    half[..32].fill(0);
    fs::write(bench.path("out"), half).unwrap();
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = (512 << 10).into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(13));
    let (status, report) = bench.dump(&["--format", "lime", "--resume"]);
    assert_eq!(
        (status, &report["resumed"]),
        (0, &(512 << 10).into()),
        "{report}"
    );
    assert_eq!(bench.out(), expected);
}

#[test]
fn converting_over_a_dump_leaves_none_of_its_manifest() {
    let bench = Bench::new(8192);
    bench.dump(&[]);
    let line = ["convert", "./saved", "./out", "--to", "raw", "--force"];
    assert!(bench.run(&line).status.success());
    assert_eq!(bench.manifest()["engine"], "convert");
    assert!(bench.run(&["verify", "./out"]).status.success());
}

#[test]
fn converting_checks_the_digest() {
    let bench = Bench::new(8192);
    bench.dump(&["--digest", "crc32c"]);
    fs::write(bench.path("out"), vec![0; 8192]).unwrap();
    let output = bench.run(&["convert", "./out", "./raw", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(12));
    assert!(!bench.path("raw").exists() && !bench.path("raw.new").exists());
}

#[test]
fn converting_takes_what_the_manifest_says_is_there() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&["--seek", "4K", "--digest", "crc32c"]).0, 0);
    let convert = |more: &[&str]| {
        let line = ["convert", "./out", "./raw", "--to", "raw", "--force"];
        let status = bench.run(&[&line, more].concat()).status.code();
        (status, fs::read(bench.path("raw")).unwrap_or_default())
    };
    assert!(convert(&[]) == (Some(0), bench.bytes.clone()));
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 4096.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    assert_eq!(convert(&[]).0, Some(13));
    assert!(convert(&["--incomplete"]) == (Some(0), bench.bytes[..4096].to_vec()));
    assert_eq!(bench.run(&["verify", "./raw"]).status.code(), Some(13));
    manifest["bytes"] = 0.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    assert_eq!(
        convert(&["--incomplete"]).0,
        Some(13),
        "none of it can be trusted"
    );
}

#[test]
fn a_header_of_another_dump_at_the_begin_of_the_file_is_not_believed() {
    let bench = Bench::new(8192);
    let run = |line: &[&str]| assert!(bench.run(line).status.success(), "{line:?}");
    run(&[
        "convert",
        "./saved",
        "./out",
        "--to",
        "elf",
        "--base",
        "0x5000",
        "--machine",
        "ppc",
    ]);
    run(&["dump", "./saved", "./out", "--seek", "64K", "--force"]);
    let line = ["convert", "./out", "./lime", "--to", "lime"];
    let output = bench.run(&line);
    assert!(stderr(&output).contains("give --base"), "{output:?}");
    run(&["convert", "./out", "./raw", "--to", "raw"]);
    assert_eq!(fs::read(bench.path("raw")).unwrap(), bench.bytes);
}

#[test]
fn converting_a_file_that_is_shorter_than_its_manifest_says_leaves_nothing() {
    let bench = Bench::new(8192);
    bench.dump(&[]);
    fs::write(bench.path("out"), &bench.bytes[..4096]).unwrap();
    let output = bench.run(&["convert", "./out", "./raw", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(13));
    assert!(!bench.path("raw").exists() && !bench.path("raw.new").exists());
}

#[test]
fn converting_without_an_address_asks_for_one() {
    let bench = Bench::new(8192);
    let output = bench.run(&["convert", "./saved", "./lime", "--to", "lime"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--base"), "{}", stderr(&output));
}
