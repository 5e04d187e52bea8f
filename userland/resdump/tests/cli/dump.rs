// SPDX-License-Identifier: MIT

//! `resdump dump`, and the program as such.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, stderr};

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
fn detail_goes_to_standard_error_only() {
    let bench = Bench::new(8192);
    let output = bench.run(&["-vv", "--json", "dump", "./saved", "./out"]);
    assert!(stderr(&output).contains("engine mmap"));
    serde_json::from_slice::<Value>(&output.stdout).unwrap();
}

#[test]
fn a_file_that_another_dump_writes_to_is_refused() {
    let bench = Bench::new(8192);
    fs::write(bench.path("out"), "half").unwrap();
    let other = fs::File::open(bench.path("out")).unwrap();
    other.lock().unwrap();
    for more in [&["--force"][..], &["--force", "--compress", "lz4"]] {
        let (status, json) = bench.dump(more);
        assert_eq!(
            (status, json["error"]["errno"].as_str()),
            (6, Some("EBUSY"))
        );
        assert_eq!(bench.out(), b"half");
        assert!(!bench.path("out.json").exists());
    }
    drop(other);
    assert_eq!(bench.dump(&["--force"]).0, 0);
}
