// SPDX-License-Identifier: MIT

//! What takes no direct I/O, or keeps nothing: copies are counted, and nothing is called durable.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, PROGRAM, command, stderr};

#[test]
fn what_is_in_memory_is_copied_and_not_durable() {
    let bench = Bench::new((1 << 20) + 5);
    let Ok(memory) = TempDir::new_in("/dev/shm") else {
        eprintln!("LEFT OUT: no /dev/shm here");
        return;
    };
    let target = memory.path().join("out").display().to_string();
    let output = bench.run(&["dump", "./saved", &target, "--strict"]);
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("it is in memory"),
        "{}",
        stderr(&output)
    );
    assert_eq!(memory.path().read_dir().unwrap().count(), 0);

    for more in [
        &[][..],
        &["--engine", "mmap"],
        &["--engine", "read"],
        &["--compress", "lz4"],
    ] {
        let line = [&["dump", "./saved", &target, "--force"], more].concat();
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(", 0 direct, 1048581 copied"), "{said}");
        assert!(said.contains(", in memory, not durable"), "{said}");
        assert!(!said.contains("synced"), "{said}");
        let text = fs::read(memory.path().join("out.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(manifest["durable"], false, "{more:?}");
        assert_eq!(manifest["complete"], true, "all of it is there");
        assert_eq!(manifest["direct"], 0);
        let json = bench.run(&[&line[..], &["--json"]].concat());
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(
            (&json["in_memory"], &json["synced"]),
            (&true.into(), &false.into())
        );
        assert_eq!(
            (&json["direct"], &json["copied"]),
            (&0.into(), &1_048_581.into())
        );
        let verified = bench.run(&["verify", &target]);
        assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    }
    let reason = bench.run(&["dump", "./saved", &target, "--force"]);
    let said = String::from_utf8(reason.stdout).unwrap();
    assert!(
        said.contains("(auto: copies every byte; it is in memory)"),
        "{said}"
    );
}

#[test]
fn what_is_on_a_disk_is_durable() {
    let bench = Bench::new(8192);
    let (status, json) = bench.dump(&[]);
    assert_eq!(
        (status, &json["in_memory"], &json["synced"]),
        (0, &false.into(), &true.into())
    );
    assert_eq!(bench.manifest()["durable"], true);
}

#[test]
fn a_file_as_standard_output_takes_a_copy() {
    let bench = Bench::new(1 << 20);
    let run = |args: &[&str], to: std::process::Stdio| {
        let line = [&["dump", "./saved", "-"], args].concat();
        command(bench.folder.path(), &line)
            .stdout(to)
            .output()
            .unwrap()
    };
    let file = || fs::File::create(bench.path("file")).unwrap();
    let output = run(&["--strict"], file().into());
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
    assert_eq!(
        fs::read(bench.path("file")).unwrap(),
        b"",
        "refused before anything is written"
    );
    let output = run(&[], file().into());
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains(", 0 direct, 1048576 copied"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read(bench.path("file")).unwrap(), bench.bytes);
    // A pipe takes the pages.
    let output = run(&["--strict"], std::process::Stdio::piped());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(", 1048576 direct, 0 copied"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.stdout, bench.bytes);
}

#[test]
fn a_closed_standard_output_is_an_error() {
    let bench = Bench::new(8192);
    for line in [
        "dump ./saved -",
        "show ./saved",
        "dump ./saved ./out",
        "dump ./saved /dev/stdout",
    ] {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("exec {PROGRAM} {line} >&-")])
            .current_dir(bench.folder.path())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{line}");
        assert!(
            stderr(&output).contains("EBADF"),
            "{line}: {}",
            stderr(&output)
        );
    }
}
