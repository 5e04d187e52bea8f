// SPDX-License-Identifier: MIT

//! The program as a whole, on a saved file in place of a live region: everything but the module.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder on a disk, with a saved file in it.
struct Bench {
    folder: TempDir,
    bytes: Vec<u8>,
}

impl Bench {
    fn new(size: usize) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // A linear congruence: no two blocks are alike.
        let mut state = 1u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(size)
        .collect();
        fs::write(folder.path().join("saved"), &bytes).unwrap();
        Self { folder, bytes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        run_in(self.folder.path(), args)
    }

    /// Runs `dump ./saved ./out` with `args` and `--json`; status and object.
    fn dump(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["dump", "./saved", "./out", "--json"], args].concat());
        (
            output.status.code().unwrap(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    }

    fn out(&self) -> Vec<u8> {
        fs::read(self.path("out")).unwrap()
    }
}

fn run_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_resdump"))
        .args(args)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_dump_is_identical_and_says_what_it_did() {
    let bench = Bench::new(3 << 20);
    let (status, json) = bench.dump(&["--chunk", "64K"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["schema"], 1);
    assert_eq!(json["command"], "dump");
    assert_eq!(json["engine"], "mmap");
    assert_eq!(json["bytes"], 3 << 20);
    assert_eq!(json["direct"], 3 << 20);
    assert_eq!(json["copied"], 0);
    assert_eq!(json["complete"], true);
    assert_eq!(json["synced"], true);
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn an_odd_length_has_an_exact_tail() {
    let bench = Bench::new((1 << 20) + 777);
    let (status, json) = bench.dump(&["--offset", "4096", "--no-sync"]);
    assert_eq!(status, 0);
    assert_eq!(bench.out(), bench.bytes[4096..]);
    let (direct, copied) = (json["direct"].as_u64(), json["copied"].as_u64());
    assert_eq!(direct.unwrap() + copied.unwrap(), (1 << 20) + 777 - 4096);
    assert!((1..4096).contains(&copied.unwrap()));
    assert_eq!(json["synced"], false);
}

#[test]
fn less_than_a_block_is_all_tail() {
    let bench = Bench::new(8192);
    let (status, json) = bench.dump(&["--length", "5"]);
    assert_eq!((status, json["copied"].as_u64()), (0, Some(5)));
    assert_eq!(bench.out(), bench.bytes[..5]);
}

#[test]
fn seek_keeps_what_is_before_and_drops_what_is_after() {
    let bench = Bench::new(64 << 10);
    fs::write(bench.path("out"), vec![b'x'; 1 << 20]).unwrap();
    let (status, _) = bench.dump(&["--seek", "8K", "--length", "12K", "--force"]);
    assert_eq!(status, 0);
    let out = bench.out();
    assert_eq!(out.len(), 20 << 10);
    assert!(out[..8 << 10].iter().all(|&byte| byte == b'x'));
    assert_eq!(out[8 << 10..], bench.bytes[..12 << 10]);
}

#[test]
fn an_existing_file_is_left_alone() {
    let bench = Bench::new(8192);
    fs::write(bench.path("out"), "precious").unwrap();
    let output = bench.run(&["dump", "./saved", "./out"]);
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(
        stderr(&output),
        "resdump: target exists: ./out: EEXIST (17): it has 8 bytes: --force overwrites it\n"
    );
    assert!(output.stdout.is_empty());
    assert_eq!(bench.out(), b"precious");
}

#[test]
fn a_refused_range_makes_no_file() {
    let bench = Bench::new(8192);
    for (args, errno) in [
        (&["--offset", "8192"][..], "ERANGE"),
        (&["--length", "8193"], "ERANGE"),
        (&["--offset", "0xfffff000", "--length", "0x2000"], "ERANGE"),
        (
            &["--offset", "1", "--length", "0xffffffffffffffff"],
            "EOVERFLOW",
        ),
        (&["--length", "0"], "EINVAL"),
        (&["--offset", "1"], "EINVAL"),
        (&["--seek", "1"], "EINVAL"),
        (&["--seek", "0x7fffffffffffffff"], "EOVERFLOW"),
    ] {
        let (status, json) = bench.dump(args);
        assert_eq!(
            (status, json["error"]["errno"].as_str()),
            (5, Some(errno)),
            "{args:?}"
        );
        assert!(!bench.path("out").exists(), "{args:?}");
    }
}

#[test]
fn wrong_targets_are_named() {
    let bench = Bench::new(8192);
    for (target, status, text) in [
        (".", 6, "EISDIR (21): it is a directory"),
        ("/dev/null", 6, "EINVAL (22): it is a character device"),
        ("./none/out", 6, "ENOENT (2): check the path"),
    ] {
        let output = bench.run(&["dump", "./saved", target]);
        assert_eq!(output.status.code(), Some(status), "{target}");
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
}

#[test]
fn the_read_engine_copies_and_says_so() {
    let bench = Bench::new((1 << 20) + 5);
    let (status, json) = bench.dump(&["--engine", "read", "--chunk", "64K"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["direct"], 0);
    assert_eq!(json["copied"], (1 << 20) + 5);
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn the_auto_engine_says_which_and_why() {
    let bench = Bench::new(1 << 20);
    let (_, json) = bench.dump(&[]);
    assert_eq!(json["engine"], "mmap");
    assert_eq!(json["engine_reason"], "auto: direct I/O from a mapping");
}

#[test]
fn strict_refuses_what_would_copy() {
    let bench = Bench::new(8192);
    for (args, text) in [
        (&["--engine", "read"][..], "this engine copies every byte"),
        (
            &["--length", "4097"],
            "the last 1 bytes are less than a block",
        ),
    ] {
        let (status, json) = bench.dump(&[args, &["--strict"]].concat());
        assert_eq!(
            (status, json["error"]["kind"].as_str()),
            (11, Some("strict"))
        );
        let advice = json["error"]["advice"].as_str().unwrap();
        assert!(advice.contains(text), "{advice}");
        assert!(!bench.path("out").exists());
    }
    let (status, json) = bench.dump(&["--strict"]);
    assert_eq!((status, json["copied"].as_u64()), (0, Some(0)));
}

#[test]
fn many_writes_in_flight_arrive_in_place() {
    let bench = Bench::new((9 << 20) + 4096);
    let (status, json) = bench.dump(&["--chunk", "64K", "--depth", "32"]);
    assert_eq!(status, 0);
    // One where the kernel has no io_uring.
    assert!(json["depth"] == 32 || json["depth"] == 1, "{json}");
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn engines_that_need_a_region_say_so() {
    let bench = Bench::new(8192);
    for engine in ["kernel", "devmem"] {
        let (status, json) = bench.dump(&["--engine", engine]);
        assert_eq!(status, 10);
        assert_eq!(json["error"]["kind"], "engine");
        assert!(!bench.path("out").exists());
    }
}

#[test]
fn an_unknown_region_is_an_error_of_its_own() {
    let bench = Bench::new(1);
    let output = bench.run(&["show", "no-such-region"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("resdump: "));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn the_command_line_has_its_own_status() {
    let bench = Bench::new(1);
    for args in [
        &["dump"][..],
        &["frobnicate"],
        &["show", "a", "--offset", "x"],
    ] {
        assert_eq!(bench.run(args).status.code(), Some(2));
    }
    assert_eq!(bench.run(&["--help"]).status.code(), Some(0));
}

#[test]
fn show_prints_32_bytes_a_line() {
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
    let mut child = Command::new(env!("CARGO_BIN_EXE_resdump"))
        .args(["show", "./saved", "--length", "4M"])
        .current_dir(bench.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn detail_goes_to_standard_error_only() {
    let bench = Bench::new(8192);
    let output = bench.run(&["-vv", "--json", "dump", "./saved", "./out"]);
    assert!(stderr(&output).contains("engine mmap"));
    serde_json::from_slice::<Value>(&output.stdout).unwrap();
}

#[test]
fn doctor_tries_every_engine_and_names_what_fails() {
    let bench = Bench::new(1 << 20);
    let output = bench.run(&["doctor", "./saved", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["auto"], "mmap");
    let check = |name: &str| {
        let checks = json["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|one| one["check"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(check("control write")["ok"], true);
    assert_eq!(check("engine mmap")["ok"], true);
    assert_eq!(check("engine read")["ok"], true);
    assert_eq!(check("engine kernel")["errno"], "ENOTTY");
    assert_eq!(check("engine devmem")["ok"], false);
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 1);
}

#[test]
fn doctor_leaves_an_existing_file_alone() {
    let bench = Bench::new(8192);
    fs::write(bench.path("out"), "precious").unwrap();
    let output = bench.run(&["doctor", "./saved", "--target", "./out"]);
    assert_eq!(output.status.code(), Some(10));
    assert_eq!(bench.out(), b"precious");
}
