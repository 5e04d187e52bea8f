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
    // Only /dev/mem is not needed.
    let needed = |name: &str| check(name)["needed"].as_bool();
    assert_eq!(needed("engine devmem"), Some(false));
    assert_eq!(needed("direct I/O from /dev/mem"), Some(false));
    assert_eq!(needed("engine kernel"), Some(true));
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

#[test]
fn doctor_leaves_its_target_as_it_was() {
    let bench = Bench::new(1 << 20);
    let run = |target: &str, force: &[&str]| {
        let line = [&["doctor", "./saved", "--target", target], force].concat();
        bench.run(&line).status.code()
    };
    assert_eq!(
        run("./new", &[]),
        Some(0),
        "a new file is as good as a folder"
    );
    assert!(!bench.path("new").exists());
    fs::write(bench.path("empty"), "").unwrap();
    assert_eq!(run("./empty", &[]), Some(0));
    assert_eq!(fs::read(bench.path("empty")).unwrap(), b"");
    for length in [8, 65_535, 65_536, 200_001] {
        let before: Vec<u8> = (0..length).map(|n: u32| n as u8).collect();
        fs::write(bench.path("file"), &before).unwrap();
        assert_eq!(run("./file", &["--force"]), Some(0));
        assert!(fs::read(bench.path("file")).unwrap() == before, "{length}");
    }
}
