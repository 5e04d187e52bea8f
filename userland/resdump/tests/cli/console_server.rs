// SPDX-License-Identifier: MIT

//! `tcp://HOST:PORT`: a console server between the two ends.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Child,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::bench::{Bench, command, stderr};

/// As telnet servers begin: WILL ECHO, DO COM-PORT-OPTION and its signature.
const NEGOTIATION: &[u8] = &[255, 251, 1, 255, 253, 44, 255, 250, 44, 101, 65, 255, 240];

/// Joins the first connection to one with the first to the other, which speaks telnet: what that answers
/// to the negotiation.
fn serve(plain: TcpListener, telnet: TcpListener) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut one, _) = plain.accept().unwrap();
        let (mut other, _) = telnet.accept().unwrap();
        other.write_all(NEGOTIATION).unwrap();
        let (mut from, mut to) = (one.try_clone().unwrap(), other.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let answers = without_commands(&mut other, &mut one);
        let _ = one.shutdown(Shutdown::Write);
        answers
    })
}

/// Passes on what is no command; those, of three bytes each, may stand between any two bytes.
fn without_commands(from: &mut TcpStream, to: &mut TcpStream) -> Vec<u8> {
    let (mut commands, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut data = Vec::new();
        for &byte in &buffer[..length] {
            match byte == 255 || commands.len() % 3 != 0 {
                true => commands.push(byte),
                false => data.push(byte),
            }
        }
        if to.write_all(&data).is_err() {
            break;
        }
    }
    commands
}

fn start(bench: &Bench, args: &[&str]) -> Child {
    command(bench.folder.path(), args).spawn().unwrap()
}

/// How it ends, within a minute.
fn end(mut child: Child) -> Option<i32> {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait()));
    let status = end.recv_timeout(Duration::from_secs(60));
    status.expect("it ends in time").unwrap().code()
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
        let answers = serve(plain, telnet);
        let (there, here) = match is_sender_plain {
            true => (plain_line, telnet_line),
            false => (telnet_line, plain_line),
        };
        let receiver = start(&bench, &["receive", &here, "./out", "--quiet"]);
        let sender = start(&bench, &["send", "./saved", "--line", &there]);
        assert_eq!((end(sender), end(receiver)), (Some(0), Some(0)));
        assert_eq!(answers.join().unwrap(), [255, 254, 1, 255, 252, 44]);
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
