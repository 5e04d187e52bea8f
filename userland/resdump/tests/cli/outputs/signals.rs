// SPDX-License-Identifier: MIT

//! What ends the program leaves nothing behind that must not be there.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Child, Command},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::names;
use crate::bench::{Bench, PROGRAM, command};

/// More than is written in a moment, and takes no room.
const LARGE: u64 = 256 << 30;

/// A bench with a large file of zeros.
fn with_large() -> Bench {
    let bench = Bench::new(8192);
    fs::File::create(bench.path("large"))
        .and_then(|file| file.set_len(LARGE))
        .unwrap();
    bench
}

/// Waits until `there` says so.
pub(super) fn wait_for(what: &str, there: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

fn start(bench: &Bench, line: &[&str]) -> Child {
    command(bench.folder.path(), line).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Whether a file that has another name yet is being written.
fn is_writing(bench: &Bench) -> bool {
    names(bench).iter().any(|name| {
        name.starts_with(".resdump-")
            && fs::metadata(bench.path(name)).is_ok_and(|metadata| metadata.len() > 0)
    })
}

/// Bytes that a process has read.
pub(super) fn read(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn what_is_not_whole_is_not_left() {
    for (signal, ends) in [
        (Signal::SIGINT, Some(9)),
        (Signal::SIGTERM, Some(9)),
        (Signal::SIGHUP, Some(9)),
        // As if nothing had been done about it.
        (Signal::SIGQUIT, None),
        (Signal::SIGABRT, None),
        (Signal::SIGALRM, None),
        (Signal::SIGIO, None),
        (Signal::SIGPROF, None),
        (Signal::SIGPWR, None),
        (Signal::SIGSTKFLT, None),
        (Signal::SIGSYS, None),
        (Signal::SIGTRAP, None),
        (Signal::SIGUSR1, None),
        (Signal::SIGUSR2, None),
        (Signal::SIGVTALRM, None),
        (Signal::SIGXCPU, None),
    ] {
        let bench = with_large();
        let mut child = start(&bench, &["convert", "./large", "./out", "--to", "raw"]);
        wait_for("it writes", || is_writing(&bench));
        send(&child, signal);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), ends, "{signal}: {status}");
        let by = ends.is_none().then_some(signal as i32);
        assert_eq!(status.signal(), by, "{signal}: {status}");
        assert_eq!(names(&bench), ["large", "saved"], "{signal}");
    }
}

#[test]
fn what_a_trial_writes_to_is_put_back_whatever_ends_it() {
    let bench = Bench::new(256 << 10);
    let before = vec![b'x'; 300_000];
    let line = ["doctor", "./saved", "--target", "./foreign", "--force"];
    for signal in [Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGALRM] {
        for _ in 0..10 {
            fs::write(bench.path("foreign"), &before).unwrap();
            let mut child = command(bench.folder.path(), &line)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            while fs::read(bench.path("foreign")).unwrap() == before {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
            }
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal);
            child.wait().unwrap();
            assert!(
                fs::read(bench.path("foreign")).unwrap() == before,
                "{signal}"
            );
        }
    }
}

#[test]
fn what_a_benchmark_makes_goes_whatever_ends_it() {
    for (signal, count) in [
        (Signal::SIGUSR1, 1),
        (Signal::SIGQUIT, 1),
        (Signal::SIGINT, 2),
    ] {
        let bench = Bench::new(8 << 20);
        let line = [
            "bench", "./out", "--region", "./saved", "--rounds", "1000", "--quiet",
        ];
        let mut child = start(&bench, &line);
        wait_for("it writes", || {
            fs::metadata(bench.path("out")).is_ok_and(|it| it.len() > 0)
        });
        for _ in 0..count {
            send(&child, signal);
        }
        assert!(!child.wait().unwrap().success());
        assert_eq!(names(&bench), ["saved"], "{signal}");
    }
}

/// Two signals at any moment: what is called complete is status 0, and what is not is not complete.
#[test]
fn status_and_manifest_agree_whenever_it_is_ended() {
    let bench = Bench::new(8192);
    let mut seen = [0; 2];
    let last = Instant::now() + Duration::from_secs(60);
    for step in 0.. {
        // On a busy machine it takes longer until one is complete.
        if step >= 80 && seen[1] > 0 {
            return;
        }
        assert!(Instant::now() < last, "{seen:?}");
        let mut child = start(&bench, &["dump", "./saved", "./out", "--quiet", "--force"]);
        let until = Instant::now() + Duration::from_micros(250 * step);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let _ = (kill(pid, Signal::SIGINT), kill(pid, Signal::SIGTERM));
        let status = child.wait().unwrap();
        if !bench.path("out.json").exists() {
            assert!(!status.success());
            continue;
        }
        let complete = bench.manifest()["complete"] == true;
        assert_eq!(status.code() == Some(0), complete, "{step}: {status}");
        seen[usize::from(complete)] += 1;
        fs::remove_file(bench.path("out.json")).unwrap();
    }
}

#[test]
fn what_was_there_stays_when_what_is_to_replace_it_is_not_whole() {
    let bench = with_large();
    fs::write(bench.path("out"), "old").unwrap();
    let line = ["convert", "./large", "./out", "--to", "raw", "--force"];
    let mut child = start(&bench, &line);
    wait_for("it writes", || is_writing(&bench));
    send(&child, Signal::SIGHUP);
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(fs::read(bench.path("out")).unwrap(), b"old");
    assert_eq!(names(&bench), ["large", "out", "saved"]);
}

#[test]
fn a_dump_that_is_hung_up_can_be_resumed() {
    let bench = with_large();
    let line = ["dump", "./large", "./out", "--zero-skip", "--quiet"];
    let mut child = start(&bench, &line);
    wait_for("it has read some", || read(&child) > 16 << 20);
    send(&child, Signal::SIGHUP);
    assert_eq!(child.wait().unwrap().code(), Some(9));
    let manifest = bench.manifest();
    assert_eq!(manifest["complete"], false);
    let length = bench
        .path("out")
        .metadata()
        .map_or(0, |metadata| metadata.len());
    assert_eq!(manifest["bytes"], length);
    assert!(
        names(&bench)
            .iter()
            .all(|name| !name.starts_with(".resdump-"))
    );
}

#[test]
fn what_was_ignored_before_stays_ignored() {
    let bench = with_large();
    let mut child = Command::new("nohup")
        .arg(PROGRAM)
        .args(["convert", "./large", "./out", "--to", "raw"])
        .current_dir(bench.folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for("it writes", || is_writing(&bench));
    send(&child, Signal::SIGHUP);
    let before = largest(&bench);
    wait_for("it goes on", || largest(&bench) > before + (1 << 20));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(names(&bench), ["large", "saved"]);
}

fn largest(bench: &Bench) -> u64 {
    names(bench)
        .iter()
        .filter(|name| name.starts_with(".resdump-"))
        .filter_map(|name| Some(fs::metadata(bench.path(name)).ok()?.len()))
        .max()
        .unwrap_or(0)
}

/// Runs with a limit for the size of a file, in KiB.
pub(super) fn limited(bench: &Bench, kib: u32, line: &str) -> (Option<i32>, String) {
    let output = Command::new("bash")
        .args(["-c", &format!("ulimit -f {kib}; exec {PROGRAM} {line}")])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    (output.status.code(), crate::bench::stderr(&output))
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_others() {
    let bench = Bench::new(1 << 20);
    for line in [
        "dump ./saved ./out",
        "dump ./saved ./out --zero-skip --no-manifest --length 512K",
        "convert ./saved ./out --to raw",
        "dump ./saved ./out --partial",
    ] {
        let (status, said) = limited(&bench, 100, line);
        assert_eq!(status, Some(7), "{line}: {said}");
        assert!(said.contains("EFBIG"), "{line}: {said}");
        assert!(
            names(&bench)
                .iter()
                .all(|name| !name.starts_with(".resdump-"))
        );
        if line.contains("--partial") {
            assert_eq!(bench.out(), bench.bytes[..100 << 10]);
        }
        for name in ["out", "out.json"] {
            let _ = fs::remove_file(bench.path(name));
        }
    }
}

#[test]
fn few_descriptors_are_an_error_that_leaves_nothing() {
    let bench = Bench::new(8192);
    let mut succeeded = 0;
    for limit in 3..24 {
        for line in [
            "dump ./saved ./out --no-manifest",
            "convert ./saved ./out --to raw",
        ] {
            let output = Command::new("bash")
                .args([
                    "-c",
                    // What this process has inherited would count.
                    &format!(
                        "for fd in /proc/self/fd/*; do fd=${{fd##*/}}; \
                         [ $fd -le 2 ] || eval \"exec $fd>&-\"; done; \
                         ulimit -n {limit}; exec {PROGRAM} {line}"
                    ),
                ])
                .current_dir(bench.folder.path())
                .output()
                .unwrap();
            let said = crate::bench::stderr(&output);
            match output.status.code() {
                Some(0) => {
                    assert_eq!(bench.out(), bench.bytes, "{limit}: {said}");
                    fs::remove_file(bench.path("out")).unwrap();
                    let _ = fs::remove_file(bench.path("out.json"));
                    succeeded += 1;
                }
                // The loader has too few, before the program begins.
                Some(127) => {}
                Some(_) => assert!(said.contains("EMFILE"), "{limit}: {said}"),
                None => panic!("{limit}: {output:?}"),
            }
            assert_eq!(names(&bench), ["saved"], "{limit}: {said}");
        }
    }
    assert!(succeeded > 2, "the largest limits are enough");
}

#[test]
fn a_checkpoint_may_be_far_away() {
    let bench = Bench::new(8192);
    let (status, _) = bench.dump(&["--checkpoint", "9223372036854775807"]);
    assert_eq!(status, 0);
    assert_eq!(
        bench
            .dump(&["--force", "--checkpoint", "18446744073709551615"])
            .0,
        0
    );
}
