// SPDX-License-Identifier: MIT

//! `--engine` and `--strict`.

use serde_json::Value;

use crate::bench::Bench;

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
