// SPDX-License-Identifier: MIT

//! Two processes and one output.

use std::{fs, process::Stdio};

use super::{names, refused};
use crate::bench::{Bench, command};

#[test]
fn what_another_writes_to_is_refused() {
    let bench = Bench::new(8192);
    for name in ["out", "manifest"] {
        fs::write(bench.path(name), "").unwrap();
    }
    let hold = |name| {
        let file = fs::File::open(bench.path(name)).unwrap();
        file.lock().unwrap();
        file
    };
    let held = hold("out");
    for line in [
        &["dump", "./saved", "./out", "--force"][..],
        &["dump", "./saved", "./out", "--compress", "lz4"],
        &["convert", "./saved", "./out", "--to", "raw", "--force"],
        &["receive", "-", "./out", "--force"],
        &["bench", "./out", "--region", "./saved", "--quiet"],
        &["dump", "./saved", "./other", "--manifest", "./out"],
    ] {
        assert_eq!(refused(&bench, line), 6, "{line:?}");
        assert_eq!(names(&bench), ["manifest", "out", "saved"]);
    }
    drop(held);
    let held = hold("manifest");
    let line = ["dump", "./saved", "./out", "--manifest", "./manifest"];
    assert_eq!(refused(&bench, &line), 6);
    drop(held);
    assert_eq!(bench.run(&line).status.code(), Some(0));
}

/// Of several that run at once, those with status 0 are right about what is there.
#[test]
fn of_two_that_make_one_file_the_one_that_ends_well_has_made_it() {
    let bench = Bench::new(4 << 20);
    let mut other = bench.bytes.clone();
    other.reverse();
    fs::write(bench.path("other"), &other).unwrap();
    for round in 0..20 {
        let start = |from: &str| {
            let line = match round % 2 {
                0 => vec!["convert", from, "./out", "--to", "raw"],
                _ => vec!["dump", from, "./out", "--no-manifest", "--no-sync"],
            };
            command(bench.folder.path(), &line)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let (mut one, mut two) = (start("./saved"), start("./other"));
        let (one, two) = (one.wait().unwrap().code(), two.wait().unwrap().code());
        let found = fs::read(bench.path("out")).unwrap();
        match (one, two) {
            (Some(0), Some(_)) if found == bench.bytes => {}
            (Some(_), Some(0)) if found == other => {}
            _ => panic!("round {round}: {one:?} and {two:?}, {} bytes", found.len()),
        }
        assert!(one == Some(0) || two == Some(0));
        assert!(one != Some(0) || two != Some(0), "the second is refused");
        assert!(
            names(&bench)
                .iter()
                .all(|name| !name.starts_with(".resdump-"))
        );
        let _ = fs::remove_file(bench.path("out.json"));
        fs::remove_file(bench.path("out")).unwrap();
    }
}

/// A manifest is of one dump at a time, also when it is replaced again and again.
#[test]
fn of_two_dumps_with_one_manifest_one_is_refused_or_comes_later() {
    let bench = Bench::new(4 << 20);
    for round in 0..10 {
        let start = |target: &str| {
            let line = [
                "dump",
                "./saved",
                target,
                "--manifest",
                "./manifest",
                "--force",
            ];
            command(bench.folder.path(), &line)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let (mut one, mut two) = (start("./one"), start("./two"));
        let ends = [one.wait().unwrap().code(), two.wait().unwrap().code()];
        assert!(
            ends.iter().all(|end| [Some(0), Some(6)].contains(end)) && ends.contains(&Some(0)),
            "round {round}: {ends:?}"
        );
        let text = fs::read_to_string(bench.path("manifest")).unwrap();
        assert!(text.contains("\"complete\": true"), "round {round}: {text}");
    }
}
