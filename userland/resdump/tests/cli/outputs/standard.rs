// SPDX-License-Identifier: MIT

//! Standard output as a target: the data and nothing else, or refused.

use std::fs;

use super::names;
use crate::bench::{Bench, command, stderr};

const NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

#[test]
fn what_is_converted_to_it_is_the_data_and_nothing_else() {
    let bench = Bench::new(300_000);
    for name in NAMES {
        for json in [&[][..], &["--json"]] {
            let line = [&["convert", "./saved", name, "--to", "raw"], json].concat();
            let output = bench.run(&line);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(
                output.stdout == bench.bytes,
                "{name}: {} bytes",
                output.stdout.len()
            );
            assert!(stderr(&output).contains("300000"), "{}", stderr(&output));
            let file = fs::File::create(bench.path("file")).unwrap();
            let output = command(bench.folder.path(), &line)
                .stdout(file)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(
                fs::read(bench.path("file")).unwrap() == bench.bytes,
                "{name}"
            );
            assert_eq!(names(&bench), ["file", "saved"], "{name}");
        }
    }
}

#[test]
fn it_is_refused_where_something_is_printed_or_replaced() {
    let bench = Bench::new(8192);
    for name in NAMES {
        for line in [
            &["dump", "./saved", "./out", "--manifest", name][..],
            &["dump", "./saved", "./out", "--manifest", name, "--force"],
            &["receive", "tcp:127.0.0.1:0", name, "--force"],
            &["receive", "tcp:127.0.0.1:0", "./out", "--manifest", name],
            &["bench", name, "--region", "./saved", "--force", "--quiet"],
            &["doctor", "./saved", "--target", name, "--force"],
        ] {
            let file = fs::File::create(bench.path("file")).unwrap();
            let output = command(bench.folder.path(), line)
                .stdout(file)
                .output()
                .unwrap();
            let status = if line[0] == "doctor" { 10 } else { 6 };
            assert_eq!(
                output.status.code(),
                Some(status),
                "{line:?} {}",
                stderr(&output)
            );
            if line[0] != "doctor" {
                assert_eq!(fs::read(bench.path("file")).unwrap(), b"", "{line:?}");
            }
            assert_eq!(names(&bench), ["file", "saved"], "{line:?}");
        }
    }
}

/// A file, a folder or a device that is open for reading only: nothing can be printed there.
#[test]
fn a_standard_output_that_cannot_be_written_to() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&[]).0, 0);
    for line in [
        &["--version"][..],
        &["dump", "--help"],
        &["show", "./saved"],
        &["verify", "./out", "--json"],
        &["find", "./saved", "--hex", "00"],
        &["dump", "./saved", "-"],
        &["convert", "./saved", "-", "--to", "raw"],
    ] {
        for name in [
            &bench.path("saved"),
            bench.folder.path(),
            "/dev/null".as_ref(),
        ] {
            let output = command(bench.folder.path(), line)
                .stdout(fs::File::open(name).unwrap())
                .output()
                .unwrap();
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{line:?} {name:?}: {said}");
            assert!(said.contains("EBADF"), "{line:?}: {said}");
        }
    }
}

/// No signal ends the program: not either of what it says before it knows the command.
#[test]
fn readers_that_have_gone_away() {
    let bench = Bench::new(8192);
    let unread = || {
        let (_, writer) = std::io::pipe().unwrap();
        writer
    };
    for (line, status) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["dump", "--help"], 0),
        (&["nosuch"], 2),
        (&["dump", "--nosuch", "--json"], 2),
        (&["show", "./nosuch"], 3),
    ] {
        let output = command(bench.folder.path(), line)
            .stdout(unread())
            .stderr(unread())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(status), "{line:?}");
    }
}

/// What cannot be printed on standard output is an error; a message that cannot is none.
#[test]
fn a_full_standard_output_and_a_full_standard_error() {
    let bench = Bench::new(8192);
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let line = ["dump", "./saved", "./out"];
    let output = command(bench.folder.path(), &line)
        .stdout(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stderr(&output).contains("standard output is full"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        (bench.out(), &bench.manifest()["complete"]),
        (bench.bytes.clone(), &true.into())
    );
    for line in [
        &["dump", "./saved", "-"][..],
        &["convert", "./saved", "-", "--to", "raw"],
    ] {
        let output = command(bench.folder.path(), line)
            .stderr(full())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{line:?}");
        assert_eq!(output.stdout, bench.bytes);
    }
}
