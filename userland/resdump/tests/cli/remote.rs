// SPDX-License-Identifier: MIT

//! A dump over a connection ends as the receiver says.

use std::{
    fs,
    io::{Read, Write},
    process::Command,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use resdump::stream::wire;

use crate::{
    bench::{Bench, stderr},
    peers::{Receiver, block, hang_up, header, play, send, trailer, verdict},
};

#[test]
fn it_is_identical_has_a_manifest_and_was_acknowledged() {
    for compress in [&[][..], &["--compress", "lz4"], &["--compress", "zstd"]] {
        let bench = Bench::new((2 << 20) + 9);
        let receiver = Receiver::start(&bench, &["--quiet"]);
        let args = ["--digest", "crc32c"];
        let output = send(&bench, &receiver, &[&args, compress].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains("2097161 bytes, ") && said.contains(", synced"),
            "{said}"
        );
        let (status, _, said) = receiver.end();
        assert_eq!(status, 0, "{said}");
        assert_eq!(bench.out(), bench.bytes);
        let manifest = bench.manifest();
        assert_eq!(manifest["complete"], true);
        assert_eq!(manifest["region"], "./saved");
        assert_eq!(manifest["digest"]["algorithm"], "crc32c");
        assert!(bench.run(&["verify", "./out"]).status.success());
    }
}

#[test]
fn an_empty_range_is_a_dump_as_well() {
    let bench = Bench::new(0);
    let receiver = Receiver::start(&bench, &[]);
    // Nothing to send is refused, and the receiver goes on listening.
    let output = send(&bench, &receiver, &[]);
    let sent = output.status.code();
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("none", 0)).unwrap();
    if sent != Some(0) {
        wire::write_trailer(&mut stream, &trailer(&[])).unwrap();
        assert_eq!(verdict(stream).error, None);
    }
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), b"");
}

/// A file system that is full in the middle is played by a limit.
#[test]
fn a_full_disk_at_the_receiver_is_the_senders_status() {
    let bench = Bench::new(4 << 20);
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!(
            "ulimit -f 3000; exec {} receive tcp:127.0.0.1:0 ./out",
            env!("CARGO_BIN_EXE_resdump")
        ))
        .current_dir(bench.folder.path());
    let receiver = Receiver::run(limited);
    let output = send(&bench, &receiver, &["--json"]);
    let (status, _, said) = receiver.end();
    assert_eq!(status, 7, "{said}");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(stderr(&output).contains("the receiver failed: tcp:"));
    assert!(stderr(&output).contains("EFBIG (27)"), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let manifest = bench.manifest();
    assert_eq!(manifest["complete"], false);
    assert_eq!(manifest["bytes"], bench.out().len());
    assert_eq!(
        (&json["complete"], &json["synced"]),
        (&false.into(), &false.into())
    );
    assert_eq!(
        json["bytes"], manifest["bytes"],
        "no byte is claimed that is not there"
    );
    assert_eq!(json["error"]["kind"], "no-space");
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_changed() {
    let bench = Bench::new(100_000);
    fs::write(bench.path("out"), "an old dump").unwrap();
    let receiver = Receiver::start(&bench, &["--force", "--max-size", "99999"]);
    let output = send(&bench, &receiver, &[]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(receiver.end().0, 7);
    assert_eq!(bench.out(), b"an old dump");
    assert!(!bench.path("out.json").exists());
}

#[test]
fn a_digest_that_differs_is_the_senders_status() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("a", 4)).unwrap();
    block(&mut stream, b"abcd");
    wire::write_trailer(&mut stream, &trailer(b"abce")).unwrap();
    let verdict = verdict(stream);
    assert_eq!(verdict.error.as_ref().map(|it| it.status), Some(12));
    assert_eq!(verdict.bytes, 0, "none of it can be used");
    assert_eq!(receiver.end().0, 12);
    assert_eq!(bench.manifest()["complete"], false);
}

#[test]
fn more_or_less_than_was_announced_is_no_dump() {
    for sent in [&b"abcdefgh"[..], b"abc"] {
        let bench = Bench::new(1);
        let receiver = Receiver::start(&bench, &[]);
        let mut stream = receiver.connect();
        wire::write_header(&mut stream, &header("a", 4)).unwrap();
        block(&mut stream, sent);
        wire::write_trailer(&mut stream, &trailer(sent)).unwrap();
        assert!(verdict(stream).error.is_some());
        assert!([12, 13].contains(&receiver.end().0));
        match sent.len() {
            3 => assert_eq!(bench.manifest()["complete"], false),
            // Of what is too much nothing is kept.
            _ => assert!(!bench.path("out").exists() && !bench.path("out.json").exists()),
        }
    }
}

#[test]
fn a_receiver_that_is_stopped_says_so() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("a", 1 << 20)).unwrap();
    block(&mut stream, &[1; 4096]);
    wire::read_version(&mut stream).unwrap();
    wire::read_answer(&mut stream).unwrap();
    kill(Pid::from_raw(receiver.child.id() as i32), Signal::SIGTERM).unwrap();
    let verdict = loop {
        if let wire::Answer::Verdict(verdict) = wire::read_answer(&mut stream).unwrap() {
            break verdict;
        }
    };
    assert_eq!(verdict.error.map(|it| it.status), Some(9));
    assert_eq!(receiver.end().0, 9);
    // The signal may come before the block does: then there is nothing to keep.
    match verdict.bytes {
        0 => assert!(!bench.path("out.json").exists() && !bench.path("out").exists()),
        bytes => assert_eq!(bench.manifest()["bytes"], bytes),
    }
}

#[test]
fn a_receiver_that_dies_or_acknowledges_nothing_is_no_success() {
    let bench = Bench::new(300_000);
    for (number, receiver) in [
        // Of version 1: it has no identification.
        (|mut stream: std::net::TcpStream| {
            stream.read_exact(&mut [0; 17]).unwrap();
        }) as fn(std::net::TcpStream),
        // A web server.
        |mut stream| {
            stream.read_exact(&mut [0; 17]).unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        },
        // Dies in the middle.
        |mut stream| {
            wire::read_version(&mut stream).unwrap();
            let header = wire::read_header(&mut stream, wire::Version::Two).unwrap();
            wire::write_magic(&mut stream).unwrap();
            let start = wire::Start::of(&header, 0, None);
            wire::write_start(&mut stream, &start).unwrap();
            stream.read_exact(&mut [0; 1000]).unwrap();
        },
        // Dies at the very end.
        |mut stream| {
            wire::read_version(&mut stream).unwrap();
            let header = wire::read_header(&mut stream, wire::Version::Two).unwrap();
            wire::write_magic(&mut stream).unwrap();
            let start = wire::Start::of(&header, 0, None);
            wire::write_start(&mut stream, &start).unwrap();
            while !matches!(
                wire::read_event(&mut stream, wire::Version::Two, None).unwrap(),
                wire::Event::End(_)
            ) {}
        },
        // Calls less a success.
        |mut stream| {
            wire::read_version(&mut stream).unwrap();
            let header = wire::read_header(&mut stream, wire::Version::Two).unwrap();
            wire::write_magic(&mut stream).unwrap();
            let start = wire::Start::of(&header, 0, None);
            wire::write_start(&mut stream, &start).unwrap();
            while !matches!(
                wire::read_event(&mut stream, wire::Version::Two, None).unwrap(),
                wire::Event::End(_)
            ) {}
            wire::write_verdict(&mut stream, &wire::Verdict::of(1, None)).unwrap();
        },
    ]
    .into_iter()
    .enumerate()
    {
        let target = play(receiver);
        let output = bench.run(&["dump", "./saved", &target, "--json"]);
        assert_eq!(output.status.code(), Some(8), "{number}: {output:?}");
        if number < 2 {
            assert!(stderr(&output).contains("older resdump"), "{output:?}");
        }
        if !output.stdout.is_empty() {
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_ne!(json["bytes"], 300_000, "{number}");
            assert_ne!(json["complete"], true, "{number}");
        }
    }
}

#[test]
fn a_silent_receiver_is_given_up() {
    let bench = Bench::new(4096);
    let (keep, kept) = std::sync::mpsc::channel::<()>();
    let target = play(move |_stream| {
        let _ = kept.recv();
    });
    let output = bench.run(&["dump", "./saved", &target, "--timeout", "3"]);
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(stderr(&output).contains("ETIMEDOUT"), "{output:?}");
    drop(keep);
}

#[test]
fn resuming_sends_what_is_missing() {
    for digest in [&[][..], &["--digest", "sha256"]] {
        let bench = Bench::new((9 << 20) + 77);
        let receiver = Receiver::start(&bench, &[]);
        let mut stream = receiver.connect();
        wire::write_header(&mut stream, &header("./saved", bench.bytes.len() as u64)).unwrap();
        for piece in bench.bytes[..6 << 20].chunks(1 << 20) {
            block(&mut stream, piece);
        }
        block(&mut stream, &bench.bytes[6 << 20..][..777]);
        hang_up(stream);
        let (status, _, said) = receiver.end();
        assert_eq!(status, 13, "{said}");
        assert!(said.contains("resume it with --resume"), "{said}");
        assert_eq!(bench.manifest()["bytes"], (6 << 20) + 777);

        let receiver = Receiver::start(&bench, &["--resume"]);
        let output = send(&bench, &receiver, &[&["--json"], digest].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["resumed"], (6 << 20) + 777);
        assert_eq!(receiver.end().0, 0);
        assert_eq!(bench.out(), bench.bytes);
        assert_eq!(bench.manifest()["complete"], true);
        assert_eq!(bench.manifest()["resumed"], (6 << 20) + 777);
    }
}

#[test]
fn what_has_changed_since_is_not_resumed() {
    let bench = Bench::new(1 << 20);
    let receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    wire::write_header(&mut stream, &header("./saved", 1 << 20)).unwrap();
    let mut other = bench.bytes[..500_000].to_vec();
    other[499_999] ^= 1;
    block(&mut stream, &other);
    hang_up(stream);
    assert_eq!(receiver.end().0, 13);
    let before = bench.manifest();

    let receiver = Receiver::start(&bench, &["--resume"]);
    let output = send(&bench, &receiver, &[]);
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    assert!(stderr(&output).contains("cannot resume"), "{output:?}");
    assert_eq!(receiver.end().0, 13);
    assert_eq!(bench.out(), other);

    // Another range is another dump.
    let receiver = Receiver::start(&bench, &["--resume"]);
    let output = send(&bench, &receiver, &["--offset", "4096"]);
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    assert!(stderr(&output).contains("not the same dump"), "{output:?}");
    assert_eq!(receiver.end().0, 12);
    assert_eq!(bench.manifest()["bytes"], before["bytes"]);
}

#[test]
fn a_name_that_is_nearly_an_address_makes_no_file() {
    let bench = Bench::new(4096);
    for target in [
        "TCP:host:5000",
        "tcp:host",
        "tcp:",
        "tcp://h",
        "tcp:::1:5",
        "tcp:h:x",
    ] {
        let output = bench.run(&["dump", "./saved", target]);
        assert_eq!(output.status.code(), Some(2), "{target}");
        assert!(stderr(&output).contains("not an address: "), "{output:?}");
        let output = bench.run(&["receive", target, "./out"]);
        assert_eq!(output.status.code(), Some(2), "{target}");
    }
    // Nor does an address where nothing is sent to one.
    for line in [
        &["convert", "./saved", "tcp:h:5", "--to", "raw"][..],
        &["receive", "tcp:0", "tcp:h:5"],
        &["bench", "tcp:h:5", "--region", "./saved"],
    ] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("not an output: "), "{output:?}");
    }
    assert_eq!(bench.folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn an_address_may_have_six_colons() {
    let bench = Bench::new(4096);
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("left out: this machine has no IPv6");
        return;
    }
    let receiver = Receiver::run(crate::bench::command(
        bench.folder.path(),
        &["receive", "tcp:[::1]:0", "./out", "--quiet"],
    ));
    assert!(receiver.address.starts_with("[::1]:"));
    assert!(send(&bench, &receiver, &[]).status.success());
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), bench.bytes);
}
