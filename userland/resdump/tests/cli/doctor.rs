// SPDX-License-Identifier: MIT

//! `resdump doctor`.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

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
