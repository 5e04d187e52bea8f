// SPDX-License-Identifier: MIT

//! `resdump send` to `resdump receive`, over a line that may be noisy.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::bench::{Bench, command};

fn start(bench: &Bench, args: &[&str]) -> Child {
    command(bench.folder.path(), args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Passes on what comes, line by line, as `hurt` leaves the line with that number. Ends with either
/// end; what was passed on.
fn wire(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    hurt: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        for number in 0.. {
            let mut line = Vec::new();
            if from.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return;
            }
            hurt(number, &mut line);
            if to.write_all(&line).is_err() {
                return;
            }
        }
    })
}

/// Status of the sender and of the receiver.
fn transfer(
    bench: &Bench,
    receive: &[&str],
    hurt: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) -> (Option<i32>, Option<i32>) {
    let receiver = start(bench, &[&["receive", "-", "./out"], receive].concat());
    transfer_to(bench, receiver, hurt)
}

fn transfer_to(
    bench: &Bench,
    mut receiver: Child,
    hurt: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) -> (Option<i32>, Option<i32>) {
    let mut sender = start(bench, &["send", "./saved"]);
    let there = wire(
        sender.stdout.take().unwrap(),
        receiver.stdin.take().unwrap(),
        hurt,
    );
    let back = wire(
        receiver.stdout.take().unwrap(),
        sender.stdin.take().unwrap(),
        |_, _| {},
    );
    let statuses = (
        sender.wait().unwrap().code(),
        receiver.wait().unwrap().code(),
    );
    there.join().unwrap();
    back.join().unwrap();
    statuses
}

#[test]
fn a_noisy_line_delivers_every_byte() {
    let bench = Bench::new(300_001);
    let statuses = transfer(&bench, &[], |number, line| match number % 13 {
        3 => line.clear(),
        5 => drop(line.remove(line.len() / 2)),
        7 => line[4] ^= 1,
        9 => line.splice(0..0, *b"[ 12.3] usb #1: noise ").for_each(drop),
        11 => line.extend(line.clone()),
        _ => {}
    });
    assert_eq!(statuses, (Some(0), Some(0)));
    assert_eq!(bench.out(), bench.bytes);
    let manifest = bench.manifest();
    assert_eq!(manifest["complete"], true);
    assert_eq!(manifest["digest"]["algorithm"], "crc32c");
    assert!(bench.run(&["verify", "./out"]).status.success());
}

#[test]
fn an_interrupted_transfer_is_resumed() {
    let bench = Bench::new(100_000);
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(0), Some(0)));
    // As if it had ended after 10 blocks.
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 40_960.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    let mut out = bench.out();
    out[40_960..].fill(0);
    fs::write(bench.path("out"), out).unwrap();

    assert_eq!(
        transfer(&bench, &["--resume"], |_, _| {}),
        (Some(0), Some(0))
    );
    assert_eq!(bench.out(), bench.bytes);
    let manifest = bench.manifest();
    assert_eq!(manifest["resumed"], 40_960);
    assert_eq!(manifest["complete"], true);
}

/// As a connection leaves it: what is less than a block is sent again, and counted once.
#[test]
fn what_is_resumed_is_counted_once() {
    let bench = Bench::new(100_000);
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(0), Some(0)));
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 40_000.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    let statuses = transfer(&bench, &["--resume"], |_, _| {});
    assert_eq!(statuses, (Some(0), Some(0)));
    let manifest = bench.manifest();
    assert_eq!(
        (&manifest["resumed"], &manifest["copied"]),
        (&36_864.into(), &63_136.into())
    );
    assert!(bench.run(&["verify", "./out"]).status.success());
}

/// The sender was there before, and ends at once, not after its time limit.
#[test]
fn a_target_that_is_refused_is_the_senders_status_at_once() {
    let bench = Bench::new(4096);
    fs::write(bench.path("out"), "precious").unwrap();
    let begun = Instant::now();
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(6), Some(6)));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.out(), b"precious");
    assert!(!bench.path("out.json").exists());
}

#[test]
fn what_is_there_stays_when_nothing_comes() {
    let bench = Bench::new(4096);
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(0), Some(0)));
    let mut receiver = start(&bench, &["receive", "-", "./out", "--force"]);
    drop(receiver.stdin.take());
    assert_eq!(receiver.wait().unwrap().code(), Some(13));
    assert_eq!(bench.out(), bench.bytes);
    assert!(bench.run(&["verify", "./out"]).status.success());
}

#[test]
fn what_is_overwritten_is_not_taken_for_the_old_dump() {
    let bench = Bench::new(4096);
    fs::write(bench.path("out"), "an old dump").unwrap();
    // No manifest can take the place of a folder.
    fs::create_dir(bench.path("out.json")).unwrap();
    let (sent, received) = transfer(&bench, &["--force"], |_, _| {});
    assert_eq!((sent, received), (Some(6), Some(6)));
    assert_eq!(bench.out(), b"an old dump");
}

/// A file system that is full in the middle is played by a limit.
#[test]
fn a_full_disk_at_the_receiver_is_the_senders_status() {
    let bench = Bench::new(300_000);
    let receive = format!(
        "ulimit -f 200; exec {} receive - ./out",
        env!("CARGO_BIN_EXE_resdump")
    );
    let receiver = std::process::Command::new("sh")
        .args(["-c", &receive])
        .current_dir(bench.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let statuses = transfer_to(&bench, receiver, |_, _| {});
    assert_eq!(statuses, (Some(7), Some(7)));
    let manifest = bench.manifest();
    assert_eq!(manifest["complete"], false);
    assert_eq!(manifest["bytes"], bench.out().len());
}

#[test]
fn a_digest_that_differs_is_the_senders_status() {
    let bench = Bench::new(100_000);
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(0), Some(0)));
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 40_960.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    let mut out = bench.out();
    out[7] ^= 1;
    fs::write(bench.path("out"), out).unwrap();
    let statuses = transfer(&bench, &["--resume"], |_, _| {});
    assert_eq!(statuses, (Some(12), Some(12)));
    assert_eq!(bench.manifest()["bytes"], 0, "none of it is resumed");
}

#[test]
fn a_manifest_that_says_more_than_the_file_holds_is_refused() {
    let bench = Bench::new(100_000);
    assert_eq!(transfer(&bench, &[], |_, _| {}), (Some(0), Some(0)));
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 40_960.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    fs::write(bench.path("out"), &bench.bytes[..1000]).unwrap();
    let statuses = transfer(&bench, &["--resume"], |_, _| {});
    assert_eq!(statuses, (Some(12), Some(12)));
    assert_eq!(bench.out(), &bench.bytes[..1000]);
}

#[test]
fn parity_and_line_ends_that_were_changed_do_no_harm() {
    let bench = Bench::new(100_000);
    let statuses = transfer(&bench, &[], |number, line| match number % 3 {
        0 => line.iter_mut().for_each(|byte| *byte |= 0x80),
        1 => {
            let last = line.len() - 1;
            line[last] = b'\r';
        }
        _ => line.splice(0..0, *b"\x11\0").for_each(drop),
    });
    assert_eq!(statuses, (Some(0), Some(0)));
    assert_eq!(bench.out(), bench.bytes);
}
