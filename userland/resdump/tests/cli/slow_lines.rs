// SPDX-License-Identifier: MIT

//! `resdump send` to `resdump receive` over slow lines, in real time: `make slow-lines`.

use std::{
    io::{Read, Write},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::bench::{Bench, command};

/// How many times as long as the bytes of the dump take, as text, it may take.
const MOST: f64 = 1.3;

/// A line in one direction: it has eight bits of data, a start and a stop bit.
fn line(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    baud: u32,
    carried: Arc<AtomicU64>,
) -> thread::JoinHandle<()> {
    let rate = f64::from(baud) / 10.0;
    thread::spawn(move || {
        let mut free = Instant::now();
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let now = Instant::now();
            free = free.max(now) + Duration::from_secs_f64(count as f64 / rate);
            // The line itself: there is no event.
            thread::sleep(free - now);
            carried.fetch_add(count as u64, Ordering::Relaxed);
            if to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    })
}

/// Sends so many bytes that cannot be compressed.
fn transfer(baud: u32, bytes: usize) {
    let bench = Bench::new(bytes);
    let start = |args: &[&str]| {
        let mut command = command(bench.folder.path(), args);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    let began = Instant::now();
    let mut receiver = start(&["receive", "-", "./out"]);
    let mut sender = start(&["send", "./saved"]);
    let sent = Arc::<AtomicU64>::default();
    let there = line(
        sender.stdout.take().unwrap(),
        receiver.stdin.take().unwrap(),
        baud,
        Arc::clone(&sent),
    );
    let back = line(
        receiver.stdout.take().unwrap(),
        sender.stdin.take().unwrap(),
        baud,
        Arc::default(),
    );
    let statuses = [&mut sender, &mut receiver].map(|child| child.wait().unwrap().code());
    let took = began.elapsed().as_secs_f64();
    there.join().unwrap();
    back.join().unwrap();
    assert_eq!(statuses, [Some(0), Some(0)]);
    assert_eq!(bench.out(), bench.bytes);

    // Base64.
    let text = bytes as f64 * 4.0 / 3.0;
    let ideal = text / (f64::from(baud) / 10.0);
    let sent = sent.load(Ordering::Relaxed);
    println!("{baud} baud, {bytes} bytes: {took:.1} s, ideal {ideal:.1} s, {sent} bytes sent");
    assert!(took < ideal * MOST, "{took:.1} s instead of {ideal:.1}");
    assert!((sent as f64) < text * MOST, "{sent} bytes for {bytes}");
}

#[test]
#[ignore = "takes minutes: make slow-lines"]
fn at_1200_baud() {
    transfer(1200, 16 << 10);
}

#[test]
#[ignore = "takes minutes: make slow-lines"]
fn at_4800_baud() {
    transfer(4800, 32 << 10);
}

#[test]
#[ignore = "takes minutes: make slow-lines"]
fn at_9600_baud() {
    transfer(9600, 64 << 10);
}

#[test]
#[ignore = "takes minutes: make slow-lines"]
fn at_19200_baud() {
    transfer(19200, 128 << 10);
}
