// SPDX-License-Identifier: MIT

//! `resdump diff` and `resdump find`.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, stderr};

fn answer(bench: &Bench, line: &str) -> (Option<i32>, Value) {
    let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = bench.run(&args);
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output))),
    )
}

#[test]
fn every_difference_is_a_range_with_its_address() {
    let bench = Bench::new((2 << 20) + 4096);
    let convert = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        let output = bench.run(&[&["convert"], &args[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let mut other = bench.bytes.clone();
    let ranges = [(5, 1), (7, 2), ((1 << 20) - 1, 3), ((2 << 20) + 4095, 1)];
    for (at, length) in ranges {
        for byte in &mut other[at..at + length] {
            *byte ^= 0xff;
        }
    }
    fs::write(bench.path("changed"), &other).unwrap();
    convert("saved one --to lime --base 0x10000000");
    convert("changed two --to elf --base 0x10000000 --machine ppc");
    assert_eq!(answer(&bench, "diff ./one ./one").0, Some(0));
    let (status, found) = answer(&bench, "diff ./one ./two");
    assert_eq!(status, Some(12));
    let list: Vec<Value> = ranges
        .iter()
        .map(|(at, length)| {
            json!({"has": "both", "offset": at, "base": 0x1000_0000 + at, "length": length})
        })
        .collect();
    assert_eq!(found["ranges"], Value::from(list));
    assert_eq!(
        (&found["count"], &found["different"]),
        (&4.into(), &7.into())
    );
    assert_eq!(found["compared"], bench.bytes.len());
    let (_, joined) = answer(&bench, "diff ./one ./two --join 1 --limit 1");
    assert_eq!(joined["count"], 3);
    assert_eq!(joined["ranges"].as_array().unwrap().len(), 1);
    assert_eq!(joined["ranges"][0]["length"], 4);
}

#[test]
fn what_only_one_has_is_a_difference_unless_told_otherwise() {
    let bench = Bench::new(64 << 10);
    bench.describe();
    let line = [
        "dump", "./saved", "./part", "--offset", "4096", "--length", "8192",
    ];
    assert!(bench.run(&line).status.success());
    let (status, found) = answer(&bench, "diff ./part ./saved");
    assert_eq!(status, Some(12));
    let expected = json!([
        {"has": "other", "offset": 0, "base": 0x1000_0000, "length": 4096},
        {"has": "other", "offset": 12288, "base": 0x1000_3000, "length": 53248},
    ]);
    assert_eq!(found["ranges"], expected);
    assert_eq!(answer(&bench, "diff ./part ./saved --common").0, Some(0));
    let output = bench.run(&["diff", "./saved", "./part"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("0x0000000010000000  0x0000000010000fff  4096"),
        "{text}"
    );
    assert!(text.contains("only in ./saved"), "{text}");
}

#[test]
fn every_hit_is_found_also_where_blocks_meet_and_hits_overlap() {
    let mut bench = Bench::new((2 << 20) + 100);
    bench.bytes.fill(b'.');
    let word = b"needle";
    let block = 1 << 20;
    let places = [0, 300, block - 3, block + 40, 2 * block - 6, 2 * block + 94];
    for at in places {
        bench.bytes[at..at + word.len()].copy_from_slice(word);
    }
    bench.bytes[100..104].fill(b'a');
    fs::write(bench.path("saved"), &bench.bytes).unwrap();
    let line = "convert saved elf --to elf --base 0x10000000 --machine ppc";
    assert!(
        bench
            .run(&line.split(' ').collect::<Vec<_>>())
            .status
            .success()
    );
    for (pattern, expected) in [
        ("--text needle", &places[..]),
        ("--hex 6e6565646c65", &places),
        ("--text aa", &[100, 101, 102]),
    ] {
        let (status, found) = answer(&bench, &format!("find ./elf {pattern}"));
        assert_eq!(status, Some(0));
        let hits: Vec<Value> = expected
            .iter()
            .map(|at| json!({"offset": at, "base": 0x1000_0000 + at}))
            .collect();
        assert_eq!(found["hits"], Value::from(hits), "{pattern}");
    }
    let line = "find ./elf --text needle --offset 1 --length 308";
    assert_eq!(answer(&bench, line).1["count"], 1);
    let (status, found) = answer(&bench, "find ./elf --text nowhere");
    assert_eq!((status, &found["count"]), (Some(1), &0.into()));
    let output = bench.run(&["find", "./saved", "--text", "needle", "--limit", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "OFFSET      ADDRESS\n0000000000  unknown\n");
}

#[test]
fn a_hit_does_not_reach_over_a_hole_in_memory() {
    let bench = Bench::new(4096);
    fs::write(bench.path("one"), [&[0; 4092][..], b"need"].concat()).unwrap();
    fs::write(bench.path("two"), [b"le", &[0; 4094][..]].concat()).unwrap();
    for (base, count) in [("0x2000", 1), ("0x3000", 0)] {
        for (name, base) in [("one", "0x1000"), ("two", base)] {
            let to = format!("{name}.lime");
            let line = [
                "convert", name, &to, "--to", "lime", "--base", base, "--force",
            ];
            assert!(bench.run(&line).status.success());
        }
        let line = [
            "convert", "one.lime", "two.lime", "all", "--to", "lime", "--force",
        ];
        assert!(bench.run(&line).status.success());
        assert_eq!(
            answer(&bench, "find ./all --text needle").1["count"],
            count,
            "{base}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_list() {
    let bench = Bench::new(1 << 20);
    fs::write(bench.path("zero"), vec![0; 1 << 20]).unwrap();
    for line in [
        &["diff", "./saved", "./zero"][..],
        &["find", "./zero", "--hex", "00"],
    ] {
        let output = bench.run_unread(line);
        assert!(!stderr(&output).contains("EPIPE"), "{}", stderr(&output));
    }
}
