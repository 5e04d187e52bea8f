// SPDX-License-Identifier: MIT

//! What is read is not written to, whatever it is called.

use std::fs;

use super::{names_of_saved, refused};
use crate::bench::{Bench, stderr};

#[test]
fn no_command_writes_to_its_source() {
    let bench = Bench::new(256 << 10);
    for name in names_of_saved(&bench) {
        for line in [
            &["dump", "./saved", &name, "--force"][..],
            &["dump", "./saved", &name, "--force", "--no-manifest"],
            &["dump", "./saved", &name, "--force", "--seek", "1M"],
            &["dump", "./saved", &name, "--force", "--compress", "lz4"],
            &["dump", "./saved", "./out", "--force", "--manifest", &name],
            &["convert", "./saved", &name, "--to", "raw", "--force"],
            &["bench", &name, "--region", "./saved", "--force", "--quiet"],
        ] {
            assert_eq!(refused(&bench, line), 6, "{line:?}");
            assert_eq!(
                fs::read(bench.path("saved")).unwrap(),
                bench.bytes,
                "{line:?}"
            );
        }
        let output = bench.run(&["doctor", "./saved", "--target", &name, "--force"]);
        assert_eq!(output.status.code(), Some(10));
        assert_eq!(fs::read(bench.path("saved")).unwrap(), bench.bytes);
    }
    let left = super::names(&bench);
    assert_eq!(
        left,
        ["hard", "saved", "soft", "softer"],
        "nothing was made"
    );
}

#[test]
fn standard_output_may_not_be_the_source_either() {
    let bench = Bench::new(256 << 10);
    let saved = || fs::File::options().append(true).open(bench.path("saved"));
    for name in ["-", "/dev/stdout"] {
        let output = crate::bench::command(bench.folder.path(), &["dump", "./saved", name])
            .stdout(saved().unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
        assert_eq!(fs::read(bench.path("saved")).unwrap(), bench.bytes);
    }
}

#[test]
fn what_is_known_of_the_source_is_not_overwritten() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&[]).0, 0);
    let manifest = fs::read(bench.path("out.json")).unwrap();
    fs::hard_link(bench.path("out.json"), bench.path("hard.json")).unwrap();
    for name in ["./out.json", "./hard.json"] {
        let line = ["dump", "./out", "./copy", "--force", "--manifest", name];
        assert_eq!(refused(&bench, &line), 6);
        let line = ["dump", "./out", name, "--force", "--no-manifest"];
        assert_eq!(refused(&bench, &line), 6);
        assert_eq!(fs::read(bench.path("out.json")).unwrap(), manifest);
    }
    assert!(!bench.path("copy").exists());
}

#[test]
fn a_target_is_not_its_own_manifest() {
    let bench = Bench::new(8192);
    for line in [
        &["dump", "./saved", "./out", "--manifest", "./out"][..],
        &["dump", "./saved", "./out", "--manifest", "./out", "--force"],
        &[
            "dump",
            "./saved",
            "./out",
            "--manifest",
            "./out",
            "--compress",
            "lz4",
        ],
    ] {
        assert_eq!(refused(&bench, line), 6);
        assert_eq!(super::names(&bench), ["saved"]);
    }
}
