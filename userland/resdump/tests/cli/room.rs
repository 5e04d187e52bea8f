// SPDX-License-Identifier: MIT

//! Room on the target.

use std::{fs, os::unix::fs::MetadataExt};

use serde_json::Value;

use crate::bench::Bench;

#[test]
fn a_limit_on_size_refuses_or_cuts() {
    let bench = Bench::new(64 << 10);
    let (status, json) = bench.dump(&["--max-size", "10000"]);
    assert_eq!(
        (status, json["error"]["errno"].as_str()),
        (7, Some("EFBIG"))
    );
    assert!(!bench.path("out").exists() && !bench.path("out.json").exists());
    let (status, json) = bench.dump(&["--max-size", "10000", "--partial"]);
    assert_eq!((status, json["complete"].as_bool()), (7, Some(false)));
    let out = bench.out();
    assert!((8192..=10000).contains(&out.len()));
    assert_eq!(out, bench.bytes[..out.len()]);
    assert_eq!(bench.manifest()["complete"], false);
}

#[test]
fn what_is_to_be_left_free_is_left() {
    let bench = Bench::new(64 << 10);
    let (status, json) = bench.dump(&["--keep-free", "1E"]);
    assert_eq!(
        (status, json["error"]["errno"].as_str()),
        (7, Some("ENOSPC"))
    );
    assert!(!bench.path("out").exists());
    assert_eq!(bench.dump(&["--keep-free", "64K"]).0, 0);
}

#[test]
fn zeros_are_holes_where_asked() {
    let mut bench = Bench::new(4 << 20);
    bench.bytes[64 << 10..3 << 20].fill(0);
    fs::write(bench.path("saved"), &bench.bytes).unwrap();
    let (status, json) = bench.dump(&["--zero-skip", "--verify"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["skipped"], (3 << 20) - (64 << 10));
    assert_eq!(bench.out(), bench.bytes);
    let blocks = fs::metadata(bench.path("out")).unwrap().blocks();
    assert!(blocks * 512 < 2 << 20, "{blocks} blocks");
}
