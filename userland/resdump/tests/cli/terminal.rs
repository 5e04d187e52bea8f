// SPDX-License-Identifier: MIT

//! A terminal is what it was before, whatever ends the program; and a serial line is one.

use std::{
    fs::{self, File},
    io::{Read, Write},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::{OpenptyResult, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{InputFlags, LocalFlags, OutputFlags, Termios, tcgetattr},
    },
    unistd::{Pid, ttyname},
};

use crate::{
    bench::{Bench, command},
    peers::LIMIT,
};

fn is_raw(settings: &Termios) -> bool {
    !settings
        .local_flags
        .intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
        && !settings.output_flags.contains(OutputFlags::OPOST)
        && !settings.input_flags.contains(InputFlags::ICRNL)
}

/// Waits until the terminal is raw.
fn wait_raw(terminal: &File) {
    let begun = Instant::now();
    while !is_raw(&tcgetattr(terminal).unwrap()) {
        assert!(begun.elapsed() < LIMIT, "it never became raw");
        thread::yield_now();
    }
}

fn start(bench: &Bench, args: &[&str], terminal: &File) -> Child {
    command(bench.folder.path(), args)
        .stdin(terminal.try_clone().unwrap())
        .stdout(terminal.try_clone().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The other end of the terminal has to be read: what is written to it may fill it.
fn read_all(ours: File) {
    thread::spawn(move || std::io::copy(&mut &ours, &mut std::io::sink()));
}

#[test]
fn signals_put_the_terminal_right() {
    for args in [&["send", "./saved"][..], &["receive", "-", "./out"]] {
        for signals in [
            &[Signal::SIGTERM][..],
            &[Signal::SIGHUP],
            &[Signal::SIGINT, Signal::SIGINT],
            &[Signal::SIGTERM, Signal::SIGHUP],
            &[Signal::SIGQUIT],
        ] {
            let bench = Bench::new(100_000);
            let OpenptyResult { master, slave } = openpty(None, None).unwrap();
            let terminal = File::from(slave);
            read_all(master.into());
            let before = tcgetattr(&terminal).unwrap();
            assert!(!is_raw(&before));
            let mut child = start(&bench, args, &terminal);
            wait_raw(&terminal);
            for signal in signals {
                // It may have ended by the first.
                let _ = kill(Pid::from_raw(child.id() as i32), *signal);
            }
            let status = child.wait().unwrap();
            assert!(!status.success());
            assert_eq!(
                tcgetattr(&terminal).unwrap(),
                before,
                "{args:?} {signals:?}"
            );
        }
    }
}

#[test]
fn an_error_and_a_good_end_put_the_terminal_right() {
    let bench = Bench::new(100_000);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let (mut ours, terminal) = (File::from(master), File::from(slave));
    let before = tcgetattr(&terminal).unwrap();
    let mut sender = start(&bench, &["send", "./saved"], &terminal);
    wait_raw(&terminal);
    let mut receiver = command(bench.folder.path(), &["receive", "-", "./out"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = receiver.stdin.take().unwrap();
    let mut from = receiver.stdout.take().unwrap();
    let mut back = ours.try_clone().unwrap();
    // A terminal whose other end is closed says nothing of itself, and the threads may end first.
    let _open = ours.try_clone().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = ours.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || std::io::copy(&mut from, &mut back));
    assert_eq!(sender.wait().unwrap().code(), Some(0));
    assert_eq!(receiver.wait().unwrap().code(), Some(0));
    assert_eq!(bench.out(), bench.bytes);
    assert_eq!(tcgetattr(&terminal).unwrap(), before);

    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let terminal = File::from(slave);
    read_all(master.into());
    let before = tcgetattr(&terminal).unwrap();
    let mut sender = start(&bench, &["send", "./saved", "--timeout", "3"], &terminal);
    wait_raw(&terminal);
    assert_eq!(sender.wait().unwrap().code(), Some(8));
    assert_eq!(tcgetattr(&terminal).unwrap(), before);
}

/// Nothing reads the line: what is queued never leaves it.
#[test]
fn a_line_that_takes_nothing_keeps_no_one_waiting() {
    let bench = Bench::new(4 << 20);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let (ours, terminal) = (File::from(master), File::from(slave));
    let before = tcgetattr(&terminal).unwrap();
    let begun = Instant::now();
    let mut sender = start(&bench, &["send", "./saved", "--timeout", "3"], &terminal);
    assert_eq!(sender.wait().unwrap().code(), Some(8));
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(tcgetattr(&terminal).unwrap(), before);
    drop(ours);
}

#[test]
fn a_serial_device_is_one_programs_and_a_file_is_none() {
    let bench = Bench::new(4096);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let terminal = File::from(slave);
    read_all(master.into());
    let name = ttyname(&terminal).unwrap();
    let name = name.to_str().unwrap();
    let mut first = command(bench.folder.path(), &["receive", name, "./out"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_raw(&terminal);
    let second = bench.run(&["receive", name, "./other"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(crate::bench::stderr(&second).contains("EBUSY"));
    assert!(!bench.path("other").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    for line in ["./saved", ".", "/dev/null/x"] {
        let output = bench.run(&["send", "./saved", "--line", line]);
        assert!(
            ![Some(0), Some(101)].contains(&output.status.code()),
            "{line}"
        );
    }
    assert_eq!(fs::read(bench.path("saved")).unwrap(), bench.bytes);
}
