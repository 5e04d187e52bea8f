// SPDX-License-Identifier: MIT

//! A name of a file may be any bytes: every command opens it, and prints it by the rule of `text.rs`.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    process::Output,
};

use serde_json::Value;

use crate::bench::{Bench, command};

/// Not UTF-8, a control character, a backslash.
const ODD: &[u8] = b"a\xff\x1b\\z";

/// The same as it is printed.
const SHOWN: &str = r"a\xff\x1b\\z";

fn odd(after: &str) -> OsString {
    OsStr::from_bytes(&[b"./", ODD, after.as_bytes()].concat()).into()
}

fn path(bench: &Bench, after: &str) -> PathBuf {
    bench.folder.path().join(odd(after))
}

fn run(bench: &Bench, command_line: &[&OsStr]) -> Output {
    command(bench.folder.path(), &[])
        .args(command_line)
        .output()
        .unwrap()
}

/// Runs it, for `{}` in a word the odd name; what it prints.
fn says(bench: &Bench, line: &str, status: i32) -> String {
    let words: Vec<OsString> = line
        .split(' ')
        .map(|word| match word.split_once("{}") {
            Some((_, after)) => odd(after),
            None => word.into(),
        })
        .collect();
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let output = run(bench, &words);
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}: {said}");
    assert!(!said.contains('\u{1b}'), "{line}: {said:?}");
    said
}

/// As [`says`], of one object.
fn object(bench: &Bench, line: &str, status: i32) -> Value {
    let said = says(bench, &format!("{line} --json"), status);
    let first = said.lines().next().unwrap_or_default();
    serde_json::from_str(first).unwrap()
}

/// A saved file with such a name.
fn scene() -> Bench {
    let bench = Bench::new(70_000);
    fs::rename(bench.path("saved"), path(&bench, "")).unwrap();
    bench
}

fn shown(after: &str) -> Value {
    format!("./{SHOWN}{after}").into()
}

#[test]
fn dump_reads_and_writes_them_and_its_manifest_names_them() {
    let bench = scene();
    let report = object(&bench, "dump {} {}.out --digest crc32c --verify", 0);
    assert_eq!(report["region"], shown(""));
    assert_eq!(report["target"], shown(".out"));
    assert_eq!(report["manifest"], shown(".out.json"));
    assert_eq!(fs::read(path(&bench, ".out")).unwrap(), bench.bytes);
    let manifest = fs::read(path(&bench, ".out.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["region"], shown(""));
    assert!(says(&bench, "dump {} {}.out", 6).contains(SHOWN));
    says(&bench, "dump {} {}.zst --compress zstd --verify", 0);
    says(&bench, "dump {} {}.2 --manifest {}.kept", 0);
    says(&bench, "dump {} {}.2 --manifest {}.kept --resume", 0);
}

#[test]
fn what_is_dumped_is_verified_compared_searched_and_converted() {
    let bench = scene();
    says(&bench, "dump {} {}.out --digest crc32c", 0);
    assert_eq!(object(&bench, "verify {}.out", 0)["file"], shown(".out"));
    says(
        &bench,
        "verify {}.out --against {} --manifest {}.out.json",
        0,
    );
    assert_eq!(object(&bench, "diff {} {}.out", 0)["one"], shown(""));
    assert_eq!(object(&bench, "find {} --hex 00", 0)["region"], shown(""));
    assert_eq!(object(&bench, "show {}", 0)["region"], shown(""));
    let converted = object(&bench, "convert {}.out {}.lime --to lime --base 0x1000", 0);
    assert_eq!(converted["input"], shown(".out"));
    assert_eq!(converted["output"], shown(".lime"));
    says(&bench, "show {}.lime --at 0x1000", 0);
}

#[test]
fn a_refusal_names_them() {
    let bench = scene();
    for (line, status) in [
        ("show {}.none", 3),
        ("dump {}.none ./out", 3),
        ("verify {}", 13),
        ("diff {} {}.none", 3),
        ("find {}.none --text x", 3),
        ("convert {}.none ./new --to raw", 3),
        ("receive {} ./out", 6),
        ("bench {} --region {}", 6),
    ] {
        let said = says(&bench, line, status);
        assert!(said.contains(SHOWN), "{line}: {said}");
        let error = &object(&bench, line, status)["error"];
        assert!(
            error["subject"].as_str().unwrap().contains(SHOWN),
            "{error}"
        );
    }
}

#[test]
fn a_label_may_be_any_bytes() {
    let bench = scene();
    let label = OsStr::from_bytes(ODD);
    for line in [
        &["snapshot".as_ref(), label, "./out".as_ref()][..],
        &["load".as_ref(), odd("").as_ref(), label],
        &["send".as_ref(), label],
        &["doctor".as_ref(), label],
        &[
            "bench".as_ref(),
            "./out".as_ref(),
            "--region".as_ref(),
            label,
        ],
    ] {
        let output = run(&bench, line);
        let said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(SHOWN), "{said}");
    }
}

#[test]
fn a_template_keeps_them() {
    let bench = scene();
    says(&bench, "dump {} {}-%n", 0);
    assert_eq!(fs::read(path(&bench, "-1")).unwrap(), bench.bytes);
}
