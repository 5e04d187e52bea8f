// SPDX-License-Identifier: MIT

//! What takes long shows how far it is, on a terminal; `--quiet` shows nothing.

use std::{
    fs::File,
    io::Read,
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use nix::pty::{OpenptyResult, openpty};

use crate::{
    bench::{Bench, command},
    peers::LIMIT,
};

/// Longer than a bar waits before it is drawn.
const QUIET: Duration = Duration::from_secs(2);

/// Files whose bytes take minutes, and no room on the disk.
fn scene() -> Bench {
    let bench = Bench::new(1);
    for name in ["large", "same"] {
        let file = File::create(bench.path(name)).unwrap();
        file.set_len(1 << 40).unwrap();
    }
    bench
}

/// The first that the program says on a terminal within `limit`.
fn first_words(bench: &Bench, line: &str, limit: Duration) -> Option<String> {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let args: Vec<&str> = line.split(' ').collect();
    let mut child = command(bench.folder.path(), &args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::from(slave))
        .spawn()
        .unwrap();
    let mut ours = File::from(master);
    let (sender, said) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        // A terminal that nothing has open any more is an error.
        while let Ok(count @ 1..) = ours.read(&mut buffer) {
            text.extend_from_slice(&buffer[..count]);
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
        }
    });
    let words = said.recv_timeout(limit);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    assert_ne!(
        words,
        Err(RecvTimeoutError::Disconnected),
        "{line}: it ended"
    );
    words.ok()
}

const LINES: [&str; 4] = [
    "verify ./large --against ./same",
    "convert ./large /dev/null --to raw",
    "diff ./large ./same",
    "find ./large --hex 01",
];

#[test]
fn a_long_command_shows_a_bar() {
    let bench = scene();
    for line in LINES {
        let words = first_words(&bench, line, LIMIT).unwrap();
        assert!(words.contains("% ["), "{line}: {words:?}");
    }
}

#[test]
fn a_quiet_one_says_nothing() {
    let bench = scene();
    for line in LINES {
        let words = first_words(&bench, &format!("{line} --quiet"), QUIET);
        assert_eq!(words, None, "{line}");
    }
}

#[test]
fn a_quiet_one_has_no_final_line() {
    let bench = Bench::new(9000);
    for line in [
        "dump ./saved ./out",
        "verify ./out",
        "verify ./out --against ./saved",
        "convert ./out ./other --to raw",
    ] {
        let args: Vec<&str> = line.split(' ').chain(["--quiet"]).collect();
        let output = bench.run(&args);
        assert!(output.status.success(), "{line}");
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
}
