// SPDX-License-Identifier: MIT

//! Every option that takes a number, with values at the edges and with what is no number: the command line is
//! refused, or the program does what was asked for or says why not; in bounded time and memory.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use resdump::cli::Cli;

use crate::bench::{Bench, PROGRAM};

/// Whatever a value promises: no run needs more.
const MEMORY_KIB: u32 = 4_000_000;

const LIMIT: Duration = Duration::from_secs(60);

const EDGES: [&str; 7] = [
    "0",
    "1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
];

/// Only for numbers of bytes.
const SIZES: [&str; 4] = ["511", "4K", "0xfffffffffffff000", "15E"];

const NO_NUMBERS: [&str; 12] = [
    "",
    " ",
    "x",
    "-1",
    "0x",
    "0x10000000000000000",
    "18446744073709551616",
    "1.5",
    "1e400",
    "99999999E",
    "NaN",
    "inf",
];

/// Command lines, and the options that are tried with each.
const LINES: [(&str, &str); 15] = [
    ("show ./saved", "offset length"),
    ("show ./lime", "at"),
    (
        "dump ./saved ./out --force",
        "offset length seek chunk depth checkpoint keep-free max-size timeout",
    ),
    (
        "snapshot capture ./out --force",
        "offset length seek chunk depth checkpoint keep-free max-size timeout",
    ),
    ("load ./saved capture", "offset length skip"),
    // Standard input, which is the line, ends at once.
    ("send ./saved", "offset length timeout"),
    ("receive - ./new", "max-size timeout"),
    ("receive - . --keep-listening", "count"),
    ("diff ./saved ./lime", "join limit"),
    ("find ./saved --text x", "offset length limit"),
    ("convert ./saved ./out --force --to lime", "base"),
    ("convert ./saved ./out --force --to raw", "offset length"),
    (
        "record capture ./new",
        "segment max-size keep-free duration checkpoint history post pre chunk depth rehearse keep",
    ),
    ("play . capture", "offset length ahead chunk"),
    (
        "bench ./out --force --region ./saved",
        "length chunk depth rounds",
    ),
];

/// For `bench`: what is not tried is small.
const SMALL: [(&str, &str); 4] = [
    ("length", "64K"),
    ("chunk", "64K"),
    ("depth", "1"),
    ("rounds", "1"),
];

/// The options of `command` that take numbers, and whether of bytes.
fn numeric(command: &clap::Command) -> impl Iterator<Item = (&str, bool)> {
    command.get_arguments().filter_map(|argument| {
        let kind = argument.get_value_names()?.first()?.as_str();
        let name = argument.get_long()?;
        // Bytes to look for are no number.
        let is_size = matches!(kind, "BYTES" | "ADDRESS") && name != "hex";
        (is_size || matches!(kind, "N" | "SECONDS")).then_some((name, is_size))
    })
}

/// Its status, in bounded time and memory, and what it says on standard error.
fn run(bench: &Bench, line: &str, option: &str, value: &str) -> (i32, String) {
    let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$@\"");
    let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if args[0] == "bench" {
        let others = SMALL.iter().filter(|(name, _)| *name != option);
        args.extend(others.map(|(name, value)| format!("--{name}={value}")));
    }
    args.push(format!("--{option}={value}"));
    let mut child = Command::new("sh")
        .args(["-c", &limited, "sh", PROGRAM])
        .args(&args)
        .current_dir(bench.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{args:?} does not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(status) => (status, said),
        None => panic!("{args:?}: {:?}: {said}", output.status),
    }
}

fn sweep(name: &str) {
    let bench = Bench::new(70_000);
    let args = [
        "convert",
        "./saved",
        "./lime",
        "--to",
        "lime",
        "--base",
        "0x10000000",
    ];
    assert!(bench.run(&args).status.success());
    let mut cli = Cli::command();
    cli.build();
    let lines = || {
        let is_its = |(line, _): &&(&str, &str)| line.split(' ').next() == Some(name);
        LINES.iter().filter(is_its)
    };
    for (option, is_size) in numeric(cli.find_subcommand(name).unwrap()) {
        let line = lines()
            .find(|(_, options)| options.split(' ').any(|it| it == option))
            .map(|(line, _)| *line)
            .unwrap_or_else(|| panic!("{name} --{option} is not tried"));
        for value in NO_NUMBERS {
            let (status, said) = run(&bench, line, option, value);
            assert_eq!(status, 2, "{line} --{option}={value:?}: {said}");
            assert!(!said.is_empty());
        }
        for value in EDGES.iter().chain(SIZES.iter().filter(|_| is_size)) {
            let (status, said) = run(&bench, line, option, value);
            let what = format!("{line} --{option}={value}: {status}: {said}");
            assert!((0..=15).contains(&status), "{what}");
            assert!(!said.contains("panicked"), "{what}");
            assert!(status == 0 || !said.is_empty(), "{what}");
        }
    }
}

macro_rules! sweep {
    ($($command:ident)*) => {
        $(#[test]
        fn $command() {
            sweep(stringify!($command));
        })*

        #[test]
        fn every_command_with_numbers_is_tried() {
            let tried = [$(stringify!($command)),*];
            let mut cli = Cli::command();
            cli.build();
            for command in cli.get_subcommands() {
                let is_tried = tried.contains(&command.get_name());
                assert_eq!(is_tried, numeric(command).next().is_some(), "{command}");
            }
        }
    };
}

sweep! { show dump snapshot load send receive diff find convert record play bench }
