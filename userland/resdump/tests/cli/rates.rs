// SPDX-License-Identifier: MIT

//! `resdump bench`, as far as a saved file shows it.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, stderr};

fn rates(bench: &Bench, args: &[&str]) -> (i32, Value) {
    let fixed = [
        "bench", "./out", "--region", "./saved", "--rounds", "2", "--json",
    ];
    let output = bench.run(&[&fixed, args].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), json)
}

#[test]
fn the_ways_that_work_are_measured_and_the_others_named() {
    let bench = Bench::new((1 << 20) + 5);
    let (status, json) = rates(&bench, &["--chunk", "64K,1M", "--depth", "1,4"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["length"], 1 << 20);
    let ways = json["ways"].as_array().unwrap();
    let count = |name| ways.iter().filter(|way| way["way"] == name).count();
    let names = ["mmap", "mapped", "anon", "read"];
    assert_eq!(names.map(count), [4, 4, 4, 2]);
    for way in ways {
        let rate = |name| way["mb_per_s"][name].as_f64().unwrap();
        assert!(
            rate("min") > 0.0 && rate("min") <= rate("median") && rate("median") <= rate("max")
        );
        let copied = if way["way"] == "read" { 1 << 20 } else { 0 };
        assert_eq!(way["copied"], copied, "{way}");
    }
    let refused: Vec<_> = json["refused"].as_array().unwrap().iter().collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0]["way"], "kernel");
    assert_eq!(refused[0]["errno"], "ENOTTY");
    assert_eq!(refused[1]["way"], "devmem");
}

#[test]
fn nothing_is_left_of_it() {
    let bench = Bench::new(1 << 20);
    assert_eq!(rates(&bench, &["--chunk", "1M", "--depth", "1"]).0, 0);
    assert!(!bench.path("out").exists());
    fs::write(bench.path("out"), "").unwrap();
    assert_eq!(rates(&bench, &["--chunk", "1M", "--depth", "1"]).0, 0);
    assert_eq!(bench.out(), b"");
}

#[test]
fn what_is_on_the_target_is_left_alone() {
    let bench = Bench::new(1 << 20);
    fs::write(bench.path("out"), "precious").unwrap();
    let (status, json) = rates(&bench, &[]);
    assert_eq!((status, &json["error"]["errno"]), (6, &"EEXIST".into()));
    assert_eq!(bench.out(), b"precious");
}

#[test]
fn the_table_has_a_line_for_each_way() {
    let bench = Bench::new(1 << 20);
    let output = bench.run(&[
        "bench", "./out", "--region", "./saved", "--rounds", "1", "--chunk", "1M", "--depth", "1",
    ]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let starts: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        // Where the kernel knows the disk.
        .filter(|start| *start != "requests")
        .collect();
    assert_eq!(
        starts,
        [
            "WAY", "mmap", "mapped", "anon", "read", "mmap", "mmap", "mmap", "not", "not"
        ],
        "{text}"
    );
    assert!(stderr(&output).is_empty());
}
