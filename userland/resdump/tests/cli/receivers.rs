// SPDX-License-Identifier: MIT

//! A receiver looks at its target before it listens, waits for a time, and may stay.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use resdump::stream::{
    messages::{Header, Trailer},
    wire,
};

use crate::{
    bench::{Bench, stderr},
    peers::{Receiver, block, header, send, trailer, verdict},
};

/// Each is refused before anything can come: no line says that it listens.
#[test]
fn the_target_is_looked_at_before_it_listens() {
    let bench = Bench::new(4096);
    fs::write(bench.path("precious"), "precious").unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    fs::create_dir(bench.path("odd.json")).unwrap();
    fs::write(bench.path("mine.json"), "{\"mine\": 1}").unwrap();
    std::os::unix::fs::symlink("nowhere/at/all", bench.path("dangling")).unwrap();
    bench.dump(&[]);
    let _held = Receiver::into(&bench, "./held", &[]);
    for (file, args, status) in [
        ("./precious", &[][..], 6),
        ("./precious", &["--resume"], 6),
        ("./folder", &["--force"], 6),
        ("./odd", &[], 6),
        ("./mine", &[], 6),
        ("./none/out", &[], 6),
        ("./dangling", &[], 6),
        ("./held", &["--force"], 6),
        ("/dev/null", &["--force"], 6),
        ("/dev/stdin", &["--force"], 6),
        ("./nowhere", &["--keep-listening"], 2),
        ("./precious", &["--keep-listening"], 2),
        ("./out", &["--count", "3"], 2),
        ("./out", &["--count", "3", "--force"], 2),
        ("./out", &["--count", "3", "--resume"], 2),
        ("./new", &["--count", "3", "--manifest", "./it.json"], 2),
        ("./new", &["--manifest", "./precious.json"], 6),
        ("./folder", &["--keep-listening", "--force"], 2),
    ] {
        for from in ["tcp:127.0.0.1:0", "-"] {
            let output = bench.run(&[&["receive", from, file], args].concat());
            let said = stderr(&output);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{file} {args:?}: {said}"
            );
            assert!(!said.contains("listening on"), "{said}");
        }
    }
    assert_eq!(fs::read(bench.path("precious")).unwrap(), b"precious");
    assert_eq!(fs::read(bench.path("mine.json")).unwrap(), b"{\"mine\": 1}");
    assert!(!bench.path("odd").exists() && !bench.path("mine").exists());
}

#[test]
fn the_wait_for_a_sender_has_an_end() {
    let bench = Bench::new(1);
    let begun = Instant::now();
    let receiver = Receiver::start(&bench, &["--timeout", "3", "--json"]);
    let (status, out, said) = receiver.end();
    assert_eq!(status, 13, "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert!(said.contains("ETIMEDOUT"), "{said}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["error"]["kind"], "incomplete");
    assert!(!bench.path("out").exists(), "nothing is left");
}

#[test]
fn a_sender_that_died_without_closing_is_given_up() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &["--timeout", "3", "--json"]);
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("a", 1 << 20)).unwrap();
    block(&mut stream, &[7; 4096]);
    // The connection stays open, and says nothing.
    let failure = verdict(stream).error.unwrap();
    assert_eq!((failure.status, &*failure.errno), (13, "ETIMEDOUT"));
    let (status, out, _) = receiver.end();
    assert_eq!(status, 13);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&json["bytes"], &json["complete"]),
        (&4096.into(), &false.into())
    );
    assert_eq!(bench.manifest()["bytes"], 4096);
}

/// Whatever comes after that: the length is right again then, and what was cut off is zeros.
#[test]
fn a_file_that_is_truncated_meanwhile_is_no_dump() {
    let bytes: Vec<u8> = (1..=255).cycle().take(8192).collect();
    for (before, after) in [(4096, 4096), (8192, 0)] {
        let bench = Bench::new(1);
        let receiver = Receiver::start(&bench, &["--timeout", "3", "--quiet"]);
        let mut stream = receiver.connect();
        let announced = Header {
            digest: None,
            ..header("a", 8192)
        };
        wire::write_header(&mut stream, &announced).unwrap();
        block(&mut stream, &bytes[..before]);
        let begun = Instant::now();
        while fs::metadata(bench.path("out")).map_or(0, |it| it.len()) < before as u64 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
        let file = fs::File::options().write(true).open(bench.path("out"));
        file.and_then(|file| file.set_len(1000)).unwrap();
        if after > 0 {
            block(&mut stream, &bytes[before..]);
        }
        let end = Trailer {
            bytes: 8192,
            digest: None,
            error: None,
        };
        let _ = wire::write_trailer(&mut stream, &end);
        let failure = verdict(stream).error.unwrap();
        assert_eq!((failure.status, &*failure.errno), (12, "ENODATA"));
        assert_eq!(receiver.end().0, 12);
        let manifest = bench.manifest();
        assert_eq!(
            (&manifest["complete"], &manifest["bytes"]),
            (&false.into(), &0.into())
        );
    }
}

/// Longer than the receiver waits for a byte: a sign of life is not one of the dump's.
#[test]
fn a_slow_sender_is_waited_for() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &["--timeout", "3", "--quiet"]);
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("a", 4)).unwrap();
    let (_tell, told) = std::sync::mpsc::channel::<()>();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        wire::write_beat(&mut stream).unwrap();
        let _ = told.recv_timeout(Duration::from_millis(500));
    }
    block(&mut stream, b"abcd");
    wire::write_trailer(&mut stream, &trailer(b"abcd")).unwrap();
    assert_eq!(verdict(stream).error, None);
    assert_eq!(receiver.end().0, 0);
}

#[test]
fn a_signal_ends_the_wait_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let bench = Bench::new(1);
        let receiver = Receiver::start(&bench, &[]);
        kill(Pid::from_raw(receiver.child.id() as i32), signal).unwrap();
        let (status, _, said) = receiver.end();
        assert_eq!(status, 9, "{said}");
        assert!(!bench.path("out").exists());
        assert!(!bench.path("out.json").exists());
    }
}

#[test]
fn one_dump_after_the_other_and_a_failure_does_not_end_it() {
    let bench = Bench::new(50_000);
    fs::create_dir(bench.path("in")).unwrap();
    let args = ["--keep-listening", "--count", "3", "--json"];
    let receiver = Receiver::into(&bench, "./in/", &args);
    for number in 1..=2 {
        let output = send(&bench, &receiver, &["--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let name = format!("in/saved-{number}.raw");
        assert_eq!(fs::read(bench.path(&name)).unwrap(), bench.bytes);
        assert!(
            bench
                .run(&["verify", &format!("./{name}")])
                .status
                .success()
        );
    }
    let mut broken = receiver.connect();
    wire::write_header(&mut broken, &header("../../escape", 4)).unwrap();
    block(&mut broken, b"ab");
    wire::write_trailer(&mut broken, &trailer(b"ab")).unwrap();
    assert!(verdict(broken).error.is_some());
    // Two at once.
    let mut first = receiver.connect();
    wire::write_header(&mut first, &header("first", 4)).unwrap();
    wire::read_version(&mut first).unwrap();
    let output = send(&bench, &receiver, &["--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(first);
    let (status, out, said) = receiver.end();
    assert_eq!(status, 0, "{said}");
    let objects: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let complete = objects.iter().filter(|it| it["complete"] == true).count();
    assert_eq!(complete, 3, "{objects:?}");
    let short = |it: &&serde_json::Value| it["error"]["kind"] == "incomplete";
    assert_eq!(objects.iter().filter(short).count(), 2, "{objects:?}");
    assert!(bench.path("in/escape-1.raw").exists());
}

#[test]
fn of_a_dump_that_only_began_nothing_is_left() {
    for more in [0, 2] {
        let bench = Bench::new(1);
        let receiver = Receiver::start(&bench, &["--quiet"]);
        let mut stream = receiver.connect();
        wire::write_header(&mut stream, &header("begun", 4)).unwrap();
        wire::read_version(&mut stream).unwrap();
        if more > 0 {
            block(&mut stream, b"ab");
        }
        crate::peers::hang_up(stream);
        assert_eq!(receiver.end().0, 13);
        assert_eq!(bench.path("out").exists(), more > 0);
        assert_eq!(bench.path("out.json").exists(), more > 0);
    }
}

#[test]
fn what_is_in_memory_at_the_receiver_is_not_called_durable_at_the_sender() {
    let bench = Bench::new(8192);
    let Ok(memory) = tempfile::TempDir::new_in("/dev/shm") else {
        eprintln!("LEFT OUT: no /dev/shm here");
        return;
    };
    let file = memory.path().join("out").display().to_string();
    for json in [&[][..], &["--json"]] {
        let receiver = Receiver::into(&bench, &file, &[&["--force"], json].concat());
        let output = send(&bench, &receiver, json);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let (status, received, _) = receiver.end();
        assert_eq!(status, 0);
        let sent = String::from_utf8(output.stdout).unwrap();
        for said in [sent, received] {
            if json.is_empty() {
                assert!(said.contains("in memory, not durable"), "{said}");
                assert!(!said.contains("synced"), "{said}");
            } else {
                let said: serde_json::Value = serde_json::from_str(&said).unwrap();
                assert_eq!(said["in_memory"], true);
            }
        }
    }
    let line = ["convert", "./saved", &file, "--to", "raw", "--force"];
    let said = String::from_utf8(bench.run(&line).stdout).unwrap();
    assert!(said.contains("in memory, not durable"), "{said}");
}
