// SPDX-License-Identifier: MIT

//! `tcp://HOST:PORT`: a console server between the two ends.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use crate::bench::{Bench, command, stderr};

/// As telnet servers begin: WILL ECHO, DO COM-PORT-OPTION and its signature.
const NEGOTIATION: &[u8] = &[255, 251, 1, 255, 253, 44, 255, 250, 44, 101, 65, 255, 240];

/// Joins the first connection to one with the first to the other, which speaks telnet.
fn serve(plain: TcpListener, telnet: TcpListener) {
    thread::spawn(move || {
        let (one, _) = plain.accept().unwrap();
        let (mut other, _) = telnet.accept().unwrap();
        other.write_all(NEGOTIATION).unwrap();
        let refused = {
            let mut answer = [0; 6];
            other.read_exact(&mut answer).unwrap();
            answer
        };
        assert_eq!(refused, [255, 254, 1, 255, 252, 44]);
        relay(one.try_clone().unwrap(), other.try_clone().unwrap());
        relay(other, one);
    });
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
    });
}

fn start(bench: &Bench, args: &[&str]) -> Child {
    command(bench.folder.path(), args).spawn().unwrap()
}

fn wait(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The address of a listener, as a line.
fn line() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, line)
}

#[test]
fn either_end_may_be_behind_a_console_server() {
    let bench = Bench::new(100_000);
    for is_sender_plain in [true, false] {
        let ((plain, plain_line), (telnet, telnet_line)) = (line(), line());
        serve(plain, telnet);
        let (there, here) = match is_sender_plain {
            true => (plain_line, telnet_line),
            false => (telnet_line, plain_line),
        };
        let mut receiver = start(&bench, &["receive", &here, "./out", "--quiet"]);
        let mut sender = start(&bench, &["send", "./saved", "--line", &there]);
        assert_eq!((wait(&mut sender), wait(&mut receiver)), (Some(0), Some(0)));
        assert_eq!(bench.out(), bench.bytes);
        for name in ["out", "out.json"] {
            fs::remove_file(bench.path(name)).unwrap();
        }
    }
}

#[test]
fn a_console_server_that_is_not_there_is_named() {
    let bench = Bench::new(8192);
    let (listener, line) = line();
    drop(listener);
    for args in [
        &["send", "./saved", "--line", &line][..],
        &["receive", &line, "./out"],
    ] {
        let output = bench.run(args);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("ECONNREFUSED"),
            "{}",
            stderr(&output)
        );
        assert!(!bench.path("out").exists());
    }
    let output = bench.run(&["send", "./saved", "--line", "tcp://server"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
