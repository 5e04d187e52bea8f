// SPDX-License-Identifier: MIT

//! `receive --keep-listening` on a serial line: one dump after the other.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::PathBuf,
    process::{Output, Stdio},
    thread,
};

use nix::{
    pty::{OpenptyResult, openpty},
    sys::signal::{Signal, kill},
    sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr},
    unistd::{Pid, ttyname},
};
use serde_json::Value;

use crate::bench::{Bench, command, stderr};

/// The two ends of a line; both stay open, as those of a cable do.
struct Cable {
    ends: [PathBuf; 2],
    _open: [File; 2],
}

impl Cable {
    fn new() -> Self {
        let [(one, one_end), (other, other_end)] = [(); 2].map(|()| {
            let OpenptyResult { master, slave } = openpty(None, None).unwrap();
            // As a serial line is from the start: nothing is echoed.
            let mut settings = tcgetattr(&slave).unwrap();
            cfmakeraw(&mut settings);
            tcsetattr(&slave, SetArg::TCSANOW, &settings).unwrap();
            (File::from(master), File::from(slave))
        });
        relay(one.try_clone().unwrap(), other.try_clone().unwrap());
        relay(other, one);
        Self {
            ends: [&one_end, &other_end].map(|end| ttyname(end).unwrap()),
            _open: [one_end, other_end],
        }
    }

    fn end(&self, number: usize) -> &str {
        self.ends[number].to_str().unwrap()
    }
}

/// Until the test ends.
fn relay(mut from: File, mut to: File) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
}

fn send(bench: &Bench, cable: &Cable, file: &str) -> Output {
    bench.run(&["send", file, "--line", cable.end(0), "--timeout", "20"])
}

#[test]
fn one_dump_after_the_other_comes_over_a_line() {
    let bench = Bench::new(20_000);
    fs::create_dir(bench.path("in")).unwrap();
    fs::write(bench.path("other"), [7; 5000]).unwrap();
    let cable = Cable::new();
    let line = cable.end(1).to_owned();
    let args = ["receive", &line, "./in", "--keep-listening", "--count", "3"];
    let receiver = command(bench.folder.path(), &args)
        .args(["--json", "--timeout", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for file in ["./saved", "./other", "./saved"] {
        let output = send(&bench, &cable, file);
        assert_eq!(output.status.code(), Some(0), "{file}: {}", stderr(&output));
    }
    let output = receiver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let files: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["file"].clone())
        .collect();
    assert_eq!(
        files,
        ["./in/saved-1.raw", "./in/other-1.raw", "./in/saved-2.raw"]
    );
    for (name, bytes) in [
        ("in/saved-1.raw", &bench.bytes[..]),
        ("in/other-1.raw", &[7; 5000]),
        ("in/saved-2.raw", &bench.bytes),
    ] {
        assert_eq!(fs::read(bench.path(name)).unwrap(), bytes, "{name}");
        let verified = bench.run(&["verify", &format!("./{name}")]);
        assert!(verified.status.success(), "{name}");
    }
}

/// A sender that dies in the middle leaves what has come, and the next one is taken.
#[test]
fn a_sender_that_dies_does_not_end_it() {
    let bench = Bench::new(4 << 20);
    fs::create_dir(bench.path("in")).unwrap();
    fs::write(bench.path("small"), [7; 5000]).unwrap();
    let cable = Cable::new();
    let line = cable.end(1).to_owned();
    let args = ["receive", &line, "./in", "--keep-listening", "--count", "1"];
    let receiver = command(bench.folder.path(), &args)
        .args(["--quiet", "--timeout", "5"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = command(bench.folder.path(), &["send", "./saved"])
        .args(["--line", cable.end(0)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = bench.path("in/saved-1.raw");
    let begun = std::time::Instant::now();
    while fs::metadata(&part).map_or(0, |it| it.len()) == 0 {
        assert!(begun.elapsed() < crate::peers::LIMIT, "nothing came");
        thread::yield_now();
    }
    kill(Pid::from_raw(first.id() as i32), Signal::SIGKILL).unwrap();
    first.wait().unwrap();
    let output = send(&bench, &cable, "./small");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = receiver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read(bench.path("in/small-1.raw")).unwrap(), [7; 5000]);
    let verified = bench.run(&["verify", "./in/saved-1.raw"]);
    assert_eq!(verified.status.code(), Some(13));
}
