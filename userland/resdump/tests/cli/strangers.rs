// SPDX-License-Identifier: MIT

//! A receiver among strangers: what is no stream does not end it, what is one is not believed.

use std::{io::Write, net::TcpStream};

use resdump::stream::wire;

use crate::{
    bench::{Bench, stderr},
    peers::{Receiver, block, header, send, trailer, verdict},
};

#[test]
fn a_stray_connection_does_not_end_it() {
    let bench = Bench::new(300_000);
    let mut receiver = Receiver::start(&bench, &["--quiet"]);
    let says: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n",
        b"\x16\x03\x01\x02\x00",
        b"resdump stream 2\nX\0\0\0\0",
        b"resdump stream 2\nH\xff\xff\xff\xff",
    ];
    for said in says {
        let mut stream = receiver.connect();
        stream.write_all(said).unwrap();
        drop(stream);
        receiver.hears("not a stream of resdump");
    }
    // One that says nothing is not waited for.
    let silent: Vec<TcpStream> = (0..5).map(|_| receiver.connect()).collect();
    let output = send(&bench, &receiver, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(silent);
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), bench.bytes);
}

#[test]
fn a_later_version_gets_the_number_of_this_one() {
    let bench = Bench::new(1);
    let mut receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    stream.write_all(b"resdump stream 3\n").unwrap();
    let failure = verdict(stream).error.unwrap();
    assert_eq!(failure.errno, "EPROTONOSUPPORT");
    receiver.hears("still listening");
    receiver.child.kill().unwrap();
}

#[test]
fn a_sender_of_version_1_is_received() {
    let bench = Bench::new(1);
    let mut receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    let text = |stream: &mut TcpStream, json: serde_json::Value| {
        let text = json.to_string();
        stream
            .write_all(&(text.len() as u32).to_be_bytes())
            .unwrap();
        stream.write_all(text.as_bytes()).unwrap();
    };
    stream.write_all(b"resdump stream 1\n").unwrap();
    let mut old = serde_json::to_value(header("old", 4)).unwrap();
    for name in ["version", "session"] {
        old.as_object_mut().unwrap().remove(name);
    }
    text(&mut stream, old);
    stream
        .write_all(b"\0\0\0\x04\0\0\0\x04abcd\0\0\0\0")
        .unwrap();
    text(&mut stream, serde_json::to_value(trailer(b"abcd")).unwrap());
    receiver.hears("does not hear whether this worked");
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), b"abcd");
    assert_eq!(bench.manifest()["complete"], true);
}

#[test]
fn of_several_at_once_one_is_taken_and_the_others_are_refused() {
    let bench = Bench::new(300_000);
    let receiver = Receiver::start(&bench, &["--quiet"]);
    let mut first = receiver.connect();
    wire::write_header(&mut first, &header("first", 4)).unwrap();
    wire::read_version(&mut first).unwrap();
    let output = send(&bench, &receiver, &[]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(stderr(&output).contains("EBUSY"), "{output:?}");
    block(&mut first, b"abcd");
    wire::write_trailer(&mut first, &trailer(b"abcd")).unwrap();
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), b"abcd");
}

#[test]
fn what_a_stranger_says_of_the_file_is_not_stored() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &["--quiet"]);
    let mut stream = receiver.connect();
    let mut lies = header("a", 4);
    lies.manifest.complete = true;
    lies.manifest.verified = true;
    (lies.manifest.bytes, lies.manifest.direct) = (77, 77);
    (lies.manifest.skipped, lies.manifest.resumed) = (77, 77);
    (lies.manifest.data_offset, lies.manifest.stored) = (77, Some(77));
    lies.manifest.engine = "kernel".into();
    lies.manifest.engine_reason = "it is so".into();
    lies.manifest.error = None;
    wire::write_header(&mut stream, &lies).unwrap();
    block(&mut stream, b"abcd");
    wire::write_trailer(&mut stream, &trailer(b"abcd")).unwrap();
    assert_eq!(verdict(stream).error, None);
    assert_eq!(receiver.end().0, 0);
    let manifest = bench.manifest();
    assert_eq!(manifest["verified"], false);
    for (name, value) in [
        ("bytes", 4),
        ("copied", 4),
        ("direct", 0),
        ("skipped", 0),
        ("resumed", 0),
        ("data_offset", 0),
    ] {
        assert_eq!(manifest[name], value, "{name}");
    }
    assert_eq!(manifest["stored"], serde_json::Value::Null);
    assert_eq!(
        (&manifest["engine"], &manifest["engine_reason"]),
        (&"receive".into(), &"".into())
    );
}

#[test]
fn a_range_beyond_all_memory_is_refused() {
    for (base, offset, length) in [
        (None, 1, u64::MAX),
        (Some(u64::MAX), 0, 4),
        (None, u64::MAX, 4),
        (None, 0, 1 << 63),
    ] {
        let bench = Bench::new(1);
        let receiver = Receiver::start(&bench, &[]);
        let mut stream = receiver.connect();
        let mut absurd = header("a", length);
        absurd.manifest.origin.base = base;
        absurd.manifest.origin.offset = offset;
        wire::write_header(&mut stream, &absurd).unwrap();
        assert!(verdict(stream).error.is_some());
        assert_eq!(receiver.end().0, 8);
        assert_eq!(bench.folder.path().read_dir().unwrap().count(), 1);
    }
}

#[test]
fn no_terminal_obeys_a_strangers_label() {
    let bench = Bench::new(1);
    let receiver = Receiver::start(&bench, &[]);
    let mut stream = receiver.connect();
    let label = "a\u{1b}]0;owned\u{7}\u{1b}[2J\nresdump: done\r\u{9b}1m";
    wire::write_header(&mut stream, &header(label, 4)).unwrap();
    block(&mut stream, b"abcd");
    wire::write_trailer(&mut stream, &trailer(b"abcd")).unwrap();
    let (status, out, said) = receiver.end();
    assert_eq!(status, 0);
    assert!(out.contains("\\x1b]0;owned"), "{out:?}");
    let verify = bench.run(&["verify", "./out"]);
    let show = bench.run(&["show", "./out"]);
    let texts = [
        out,
        said,
        stderr(&verify),
        String::from_utf8_lossy(&verify.stdout).into(),
        stderr(&show),
    ];
    for text in texts {
        let is_raw = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(is_raw), "{text:?}");
        assert!(!text.contains("\nresdump: done"), "{text:?}");
    }
}

#[test]
fn no_terminal_obeys_a_receivers_words() {
    let bench = Bench::new(4096);
    let target = crate::peers::play(|mut stream| {
        wire::read_version(&mut stream).unwrap();
        wire::read_header(&mut stream, wire::Version::Two).unwrap();
        wire::write_magic(&mut stream).unwrap();
        let failure = wire::Failure {
            status: 7,
            errno: "ENOSPC".into(),
            message: "\u{1b}[2Jall is well\n".into(),
        };
        let verdict = wire::Verdict {
            bytes: 0,
            in_memory: false,
            error: Some(failure),
        };
        wire::write_verdict(&mut stream, &verdict).unwrap();
    });
    let output = bench.run(&["dump", "./saved", &target]);
    assert_eq!(output.status.code(), Some(7));
    let said = stderr(&output);
    assert!(said.contains("\\x1b[2Jall is well\\x0a"), "{said:?}");
    assert_eq!(said.lines().count(), 1);
}
