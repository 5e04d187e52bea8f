// SPDX-License-Identifier: MIT

//! One file by the names of two file systems, and what is written to while it is read.

use std::{
    fs,
    io::{Read, Write},
    process::Stdio,
};

use super::{is_root, refused, storage::Mount};
use crate::bench::{Bench, command, stderr};

/// An overlay: `saved` is its upper `x`, and its lower `y`.
fn overlay(bench: &Bench) -> Mount {
    for name in ["lower", "upper", "work"] {
        fs::create_dir(bench.path(name)).unwrap();
    }
    fs::copy(bench.path("saved"), bench.path("upper/x")).unwrap();
    fs::copy(bench.path("saved"), bench.path("lower/y")).unwrap();
    let of = |name| bench.path(name).display().to_string();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        of("lower"),
        of("upper"),
        of("work")
    );
    let options = ["-t", "overlay", "-o", &options];
    Mount::new("none", bench.path("merged"), &options)
}

#[test]
fn both_sides_of_an_overlay_are_one_file() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(256 << 10);
    let mount = overlay(&bench);
    for (source, target) in [
        ("./upper/x", "./merged/x"),
        ("./merged/x", "./upper/x"),
        ("./merged/y", "./lower/y"),
    ] {
        for line in [
            &["dump", source, target, "--force"][..],
            &[
                "dump",
                source,
                target,
                "--force",
                "--no-manifest",
                "--seek",
                "1M",
            ],
            &["dump", source, target, "--force", "--compress", "lz4"],
            &["dump", source, "./out", "--force", "--manifest", target],
            &["convert", source, target, "--to", "raw", "--force"],
            &["bench", target, "--region", source, "--force", "--quiet"],
        ] {
            assert_eq!(refused(&bench, line), 6, "{line:?}");
            for file in ["upper/x", "merged/x", "lower/y", "merged/y"] {
                assert_eq!(fs::read(bench.path(file)).unwrap(), bench.bytes, "{line:?}");
            }
        }
        let output = bench.run(&["doctor", source, "--target", target, "--force"]);
        assert_eq!(output.status.code(), Some(10));
        assert_eq!(fs::read(bench.path(source)).unwrap(), bench.bytes);
    }
    // A copy is written to, and what it was copied from is another file.
    let output = bench.run(&["dump", "./lower/y", "./merged/y", "--force", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read(bench.path("lower/y")).unwrap(), bench.bytes);
    drop(mount);
}

#[test]
fn standard_output_may_not_be_the_other_side_of_it() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(256 << 10);
    let mount = overlay(&bench);
    let merged = fs::File::options()
        .append(true)
        .open(bench.path("merged/x"));
    let output = command(bench.folder.path(), &["dump", "./upper/x", "-"])
        .stdout(merged.unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert_eq!(fs::read(bench.path("upper/x")).unwrap(), bench.bytes);
    drop(mount);
}

/// Adds a byte to the source, and takes it away again.
fn touch(bench: &Bench) {
    let mut file = fs::File::options()
        .append(true)
        .open(bench.path("saved"))
        .unwrap();
    file.write_all(b"x").unwrap();
    file.set_len(bench.bytes.len() as u64).unwrap();
}

#[test]
fn a_stream_of_what_was_changed_meanwhile_is_no_success() {
    let bench = Bench::new(4 << 20);
    for line in [
        &["dump", "./saved", "-"][..],
        &["dump", "./saved", "-", "--digest", "crc32c"],
        &["convert", "./saved", "./pipe", "--to", "raw"],
    ] {
        let _ = nix::unistd::mkfifo(&bench.path("pipe"), nix::sys::stat::Mode::S_IRWXU);
        let mut child = command(bench.folder.path(), line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut from: Box<dyn Read> = match line[0] {
            "convert" => Box::new(fs::File::open(bench.path("pipe")).unwrap()),
            _ => Box::new(child.stdout.take().unwrap()),
        };
        let mut bytes = vec![0; 4096];
        from.read_exact(&mut bytes).unwrap();
        touch(&bench);
        from.read_to_end(&mut bytes).unwrap();
        drop(from);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(12),
            "{line:?} {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("changed meanwhile"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_copy_of_what_was_changed_meanwhile_is_not_complete() {
    let bench = Bench::new(64 << 20);
    for more in [&[][..], &["--compress", "lz4"]] {
        let line = [
            "dump", "./saved", "./out", "--force", "--digest", "sha256", "--quiet",
        ];
        let mut child = command(bench.folder.path(), &[&line[..], more].concat())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        super::signals::wait_for("it reads", || super::signals::read(&child) > 1 << 20);
        touch(&bench);
        assert_eq!(child.wait().unwrap().code(), Some(12), "{more:?}");
        let manifest = bench.manifest();
        assert_eq!(
            (&manifest["complete"], &manifest["bytes"]),
            (&false.into(), &0.into())
        );
        assert!(
            manifest["error"]
                .as_str()
                .unwrap()
                .contains("changed meanwhile")
        );
    }
}
