// SPDX-License-Identifier: MIT

//! A saved file whose manifest has a digest: what differs from it is not copied as if nothing were.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::{
    bench::{Bench, command, stderr},
    peers::{Receiver, send},
};

/// A bench with a dump `sealed` that has a digest and an address; a byte of it is another if `damaged`.
fn bench(damaged: bool) -> Bench {
    let bench = Bench::new(300_000);
    let line = ["dump", "./saved", "./sealed", "--digest", "sha256"];
    assert!(bench.run(&line).status.success());
    let text = fs::read(bench.path("sealed.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    manifest["base"] = 0x1000_0000.into();
    manifest["system"]["machine"] = "ppc".into();
    manifest["system"]["byte_order"] = "big".into();
    fs::write(bench.path("sealed.json"), manifest.to_string()).unwrap();
    if damaged {
        let mut bytes = bench.bytes.clone();
        bytes[77] ^= 1;
        fs::write(bench.path("sealed"), bytes).unwrap();
    }
    bench
}

fn manifest(bench: &Bench, name: &str) -> Value {
    serde_json::from_slice(&fs::read(bench.path(name)).unwrap()).unwrap()
}

#[test]
fn no_command_takes_what_differs_from_its_digest() {
    let bench = bench(true);
    fs::copy(bench.path("saved"), bench.path("other")).unwrap();
    for line in [
        &["dump", "./sealed", "./out"][..],
        &["dump", "./sealed", "./out", "--digest", "blake3"],
        &[
            "dump", "./sealed", "./out", "--offset", "4096", "--length", "4096",
        ],
        &["dump", "./sealed", "./out", "--compress", "lz4"],
        &["dump", "./sealed", "-"],
        &["convert", "./sealed", "./out", "--to", "raw"],
        &["show", "./sealed"],
        &["find", "./sealed", "--hex", "00"],
        &["diff", "./sealed", "./sealed"],
        &["send", "./sealed"],
        &["verify", "./sealed"],
    ] {
        let output = command(bench.folder.path(), line)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let status = output.status.code();
        assert_eq!(status, Some(12), "{line:?} {}", stderr(&output));
        if bench.path("out").exists() {
            let manifest = bench.manifest();
            assert_eq!(
                (&manifest["complete"], &manifest["bytes"]),
                (&false.into(), &0.into())
            );
            fs::remove_file(bench.path("out")).unwrap();
            fs::remove_file(bench.path("out.json")).unwrap();
        }
        assert!(!bench.path("out.json").exists(), "{line:?}");
    }
    let output = bench.run(&["dump", "./sealed", "./out", "--raw"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.manifest()["digest"], Value::Null);
}

#[test]
fn one_of_several_that_differs_is_found_as_well() {
    let bench = bench(true);
    let mut second = manifest(&bench, "sealed.json");
    second["base"] = 0x2000_0000.into();
    second["digest"] = Value::Null;
    fs::write(bench.path("saved.json"), second.to_string()).unwrap();
    for line in [
        &["convert", "./saved", "./sealed", "./out", "--to", "lime"][..],
        &["dump", "./saved", "./sealed", "./out"],
    ] {
        let output = bench.run(line);
        assert_eq!(
            output.status.code(),
            Some(12),
            "{line:?} {}",
            stderr(&output)
        );
        if line[0] == "dump" {
            assert_eq!(bench.manifest()["complete"], false);
        } else {
            assert!(!bench.path("out").exists());
        }
    }
}

#[test]
fn a_receiver_is_not_told_that_it_is_all() {
    let bench = bench(true);
    let receiver = Receiver::start(&bench, &["--quiet"]);
    let target = receiver.target();
    let output = bench.run(&["dump", "./sealed", &target]);
    assert_eq!(output.status.code(), Some(12), "{}", stderr(&output));
    assert_ne!(receiver.end().0, 0);
    assert_eq!(bench.manifest()["complete"], false);
    let receiver = Receiver::into(&bench, "./well", &["--quiet"]);
    let output = send(&bench, &receiver, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    receiver.end();
}

#[test]
fn a_good_copy_has_the_digest_of_its_source() {
    let bench = bench(false);
    let sealed = manifest(&bench, "sealed.json");
    for (more, algorithm) in [
        (&[][..], Some("sha256")),
        (&["--compress", "zstd"], Some("sha256")),
        (&["--digest", "blake3"], Some("blake3")),
        (&["--offset", "4096"], None),
    ] {
        let line = [&["dump", "./sealed", "./out", "--force"], more].concat();
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let digest = &bench.manifest()["digest"];
        assert_eq!(digest["algorithm"].as_str(), algorithm, "{more:?}");
        if algorithm == Some("sha256") {
            assert_eq!(*digest, sealed["digest"]);
        }
        assert!(bench.run(&["verify", "./out"]).status.success());
    }
}

#[test]
fn a_digest_in_capital_letters_is_the_same() {
    let bench = bench(false);
    let mut manifest = manifest(&bench, "sealed.json");
    let hex = manifest["digest"]["hex"].as_str().unwrap().to_uppercase();
    manifest["digest"]["hex"] = hex.into();
    fs::write(bench.path("sealed.json"), manifest.to_string()).unwrap();
    for line in [&["verify", "./sealed"][..], &["dump", "./sealed", "./out"]] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_manifest_is_not_complete_and_has_an_error() {
    let bench = bench(false);
    let mut manifest = manifest(&bench, "sealed.json");
    manifest["error"] = "no digest".into();
    fs::write(bench.path("sealed.json"), manifest.to_string()).unwrap();
    for line in [&["verify", "./sealed"][..], &["dump", "./sealed", "./out"]] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
    }
}
