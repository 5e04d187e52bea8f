// SPDX-License-Identifier: MIT

//! What is durable, what is known of it, and how it is resumed.

use std::{fs, os::unix::fs::FileExt, process::Command};

use serde_json::Value;

use crate::bench::{Bench, stderr};

/// As a power cut leaves things after `bytes`: garbage follows on the disk.
fn interrupted(bench: &Bench, bytes: usize) {
    let (status, _) = bench.dump(&[]);
    assert_eq!(status, 0);
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = bytes.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    let mut out = bench.out();
    out[bytes..].fill(0xee);
    fs::write(bench.path("out"), out).unwrap();
}

#[test]
fn a_manifest_lies_beside_a_complete_dump() {
    let bench = Bench::new((1 << 20) + 3);
    let (status, json) = bench.dump(&["--digest", "crc32c", "--verify", "--offset", "4096"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["verified"], true);
    assert_eq!(json["manifest"], "./out.json");
    let manifest = bench.manifest();
    assert_eq!(manifest["schema"], 1);
    assert_eq!(manifest["complete"], true);
    assert_eq!(manifest["region"], "./saved");
    assert_eq!(manifest["offset"], 4096);
    assert_eq!(manifest["bytes"], (1 << 20) + 3 - 4096);
    assert_eq!(manifest["digest"], json["digest"]);
    assert_eq!(manifest["digest"]["algorithm"], "crc32c");
    assert_eq!(manifest["verified"], true);
    assert_eq!(manifest["error"], Value::Null);
    let left = fs::read_dir(bench.folder.path()).unwrap().count();
    assert_eq!(left, 3, "saved, out and out.json");
}

#[test]
fn digests_are_those_of_other_programs() {
    let bench = Bench::new(100_000);
    let (_, json) = bench.dump(&["--digest", "sha256"]);
    let other = Command::new("sha256sum")
        .arg(bench.path("out"))
        .output()
        .unwrap();
    let other = String::from_utf8(other.stdout).unwrap();
    assert!(other.starts_with(json["digest"]["hex"].as_str().unwrap()));
}

#[test]
fn without_sync_nothing_is_promised() {
    let bench = Bench::new(8192);
    bench.dump(&[]);
    let (status, json) = bench.dump(&["--force", "--no-sync"]);
    assert_eq!((status, &json["manifest"]), (0, &Value::Null));
    assert!(!bench.path("out.json").exists(), "the old one would lie");
}

/// Also where the blocks of the old file stay.
#[test]
fn what_is_overwritten_is_the_dump_and_no_more() {
    const SIZE: usize = (1 << 20) + 5;
    for (length, hole) in [
        (2 * SIZE, 0),
        (2 * SIZE, 64 << 10),
        (SIZE, 0),
        (SIZE - 1, 0),
    ] {
        let bench = Bench::new(SIZE);
        fs::write(bench.path("out"), vec![0xee; length]).unwrap();
        if hole > 0 {
            let file = fs::File::create(bench.path("out")).unwrap();
            file.write_all_at(&[0xee; 64 << 10], 0).unwrap();
            file.write_all_at(&vec![0xee; length - hole], hole as u64 * 2)
                .unwrap();
        }
        let (status, json) = bench.dump(&["--force", "--verify"]);
        assert_eq!((status, &json["error"]), (0, &Value::Null), "{length}");
        assert_eq!(bench.out(), bench.bytes, "{length}");
        assert_eq!(bench.manifest()["complete"], true);
    }
}

#[test]
fn a_manifest_elsewhere_leaves_no_old_one_beside_the_dump() {
    for compress in [&[][..], &["--compress", "lz4"]] {
        let bench = Bench::new(8192);
        bench.dump(&[]);
        let args = ["--force", "--manifest", "./other.json"];
        let (status, json) = bench.dump(&[&args, compress].concat());
        assert_eq!((status, &json["error"]), (0, &Value::Null));
        assert!(!bench.path("out.json").exists(), "it would lie");
        assert!(bench.path("other.json").exists());
    }
}

#[test]
fn a_manifest_beside_the_dump_may_have_another_path() {
    let bench = Bench::new(8192);
    let beside = bench.path("out.json").display().to_string();
    bench.dump(&["--manifest", &beside]);
    assert_eq!(bench.manifest()["complete"], true);
}

#[test]
fn an_interrupted_dump_is_resumed() {
    let bench = Bench::new((3 << 20) + 5);
    interrupted(&bench, 1 << 20);
    let (status, json) = bench.dump(&["--resume", "--verify", "--digest", "blake3"]);
    assert_eq!((status, &json["error"]), (0, &Value::Null));
    assert_eq!(json["resumed"], 1 << 20);
    assert_eq!(json["bytes"], (3 << 20) + 5);
    assert_eq!(bench.out(), bench.bytes);
    assert_eq!(bench.manifest()["complete"], true);
}

#[test]
fn a_dump_that_is_complete_is_not_written_again() {
    let bench = Bench::new((1 << 20) + 5);
    bench.dump(&["--digest", "crc32c"]);
    let digest = bench.manifest()["digest"].clone();
    let (status, json) = bench.dump(&["--resume"]);
    assert_eq!(bench.manifest()["digest"], digest);
    assert_eq!((status, json["resumed"].as_u64()), (0, Some((1 << 20) + 5)));
    assert_eq!(json["direct"], 0);
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn resuming_what_has_not_begun_begins_it() {
    let bench = Bench::new(8192);
    let (status, json) = bench.dump(&["--resume"]);
    assert_eq!((status, json["resumed"].as_u64()), (0, Some(0)));
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn resuming_trusts_nothing_that_has_changed() {
    let bench = Bench::new(2 << 20);
    interrupted(&bench, 1 << 20);
    let mut saved = bench.bytes.clone();
    saved[(1 << 20) - 1] ^= 1;
    fs::write(bench.path("saved"), saved).unwrap();
    let before = bench.out();
    let (status, json) = bench.dump(&["--resume"]);
    assert_eq!(
        (status, json["error"]["kind"].as_str()),
        (12, Some("mismatch"))
    );
    assert_eq!(bench.out(), before);
    assert_eq!(bench.manifest()["bytes"], 1 << 20);
}

#[test]
fn what_was_read_back_and_differs_is_not_resumed() {
    let bench = Bench::new(6 << 20);
    interrupted(&bench, 5 << 20);
    let mut out = bench.out();
    // Before what is compared to go on.
    out[0] ^= 1;
    fs::write(bench.path("out"), out).unwrap();
    assert_eq!(bench.dump(&["--resume", "--verify"]).0, 12);
    assert_eq!(bench.manifest()["bytes"], 0);
    let (status, json) = bench.dump(&["--resume"]);
    assert_eq!((status, json["resumed"].as_u64()), (0, Some(0)));
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn resuming_another_dump_is_refused() {
    let bench = Bench::new(2 << 20);
    interrupted(&bench, 1 << 20);
    let (status, json) = bench.dump(&["--resume", "--offset", "4096"]);
    assert_eq!(
        (status, json["error"]["errno"].as_str()),
        (6, Some("EINVAL"))
    );
}

#[test]
fn resuming_a_snapshot_from_what_is_there_now_is_refused() {
    let bench = Bench::new(2 << 20);
    interrupted(&bench, 1 << 20);
    let mut manifest = bench.manifest();
    manifest["snapshot"] = serde_json::json!({"began": manifest["started"], "micros": 1});
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    assert_eq!(bench.dump(&["--resume"]).0, 6);
    let output = bench.run(&["verify", "./out"]);
    assert!(stderr(&output).contains("make it again"), "{output:?}");
}

#[test]
fn verify_accepts_what_was_dumped_and_nothing_else() {
    let bench = Bench::new((1 << 20) + 9);
    bench.dump(&["--digest", "sha256", "--offset", "4096"]);
    let verify = |args: &[&str]| {
        let output = bench.run(&[&["verify", "./out", "--json"], args].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), json)
    };
    let (status, json) = verify(&["--against", "./saved"]);
    assert_eq!(status, 0, "{json}");
    assert_eq!(
        json["checked"],
        serde_json::json!(["length", "digest", "bytes"])
    );

    let mut out = bench.out();
    out[70_000] ^= 1;
    fs::write(bench.path("out"), &out).unwrap();
    assert_eq!(verify(&[]).0, 12);
    fs::write(bench.path("out"), &out[..5000]).unwrap();
    assert_eq!(verify(&[]).0, 13);
    fs::remove_file(bench.path("out.json")).unwrap();
    assert_eq!(verify(&[]).0, 13);
}

#[test]
fn what_is_known_to_be_there_is_all_that_is_read_of_an_incomplete_dump() {
    for (bytes, status, says) in [
        (1 << 20, 0, "1048576 of 2097152 bytes are there"),
        (0, 13, "none of it can be trusted"),
    ] {
        let bench = Bench::new(2 << 20);
        interrupted(&bench, bytes);
        let output = bench.run(&["dump", "./out", "./copy"]);
        assert_eq!(output.status.code(), Some(13), "{output:?}");
        assert!(!bench.path("copy").exists());
        let output = bench.run(&["dump", "./out", "./copy", "--incomplete"]);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        if status == 0 {
            let output = bench.run(&["verify", "./copy"]);
            assert_eq!(output.status.code(), Some(13), "its copy is not complete");
        }
        if status != 0 {
            assert!(stderr(&output).contains(says), "{output:?}");
        }
        let copy = fs::read(bench.path("copy")).unwrap_or_default();
        assert_eq!(copy, bench.bytes[..bytes]);
    }
}

#[test]
fn verify_knows_an_interrupted_dump() {
    let bench = Bench::new(2 << 20);
    interrupted(&bench, 1 << 20);
    let output = bench.run(&["verify", "./out"]);
    assert_eq!(output.status.code(), Some(13));
    assert!(stderr(&output).contains("1048576 of 2097152 bytes are there"));
    assert!(stderr(&output).contains("resume it with 'resdump dump --resume'"));
    let mut manifest = bench.manifest();
    manifest["engine"] = "receive".into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    let output = bench.run(&["verify", "./out"]);
    assert!(stderr(&output).contains("'resdump receive --resume'"));
}
