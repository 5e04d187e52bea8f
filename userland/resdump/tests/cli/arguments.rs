// SPDX-License-Identifier: MIT

//! For any arguments the program ends with a status of its table and, where that is not 0, with a message.
//! It does not panic or overflow, and no signal ends it.

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::CommandFactory;
use proptest::{prelude::*, test_runner::TestRunner};
use resdump::cli::Cli;

use crate::bench::{Bench, command};

/// Command lines that are tried for each command.
const CASES: u32 = 48;

/// A run that takes longer does what was asked for.
const LIMIT: Duration = Duration::from_secs(3);

/// Values at the edges of what a number can be, and what is none.
const VALUES: [&str; 34] = [
    "0",
    "1",
    "2",
    "511",
    "512",
    "513",
    "4095",
    "4096",
    "65535",
    "65536",
    "64K",
    "64M",
    "65M",
    "0x7fffffff",
    "0x80000000",
    "0xffffffff",
    "0x100000000",
    "9223372036854775807",
    "9223372036854775808",
    "0xfffffffffffff000",
    "0xfffffffffffffe00",
    "18446744073709551615",
    "18446744073709551616",
    "15E",
    "16E",
    "-1",
    "1.5M",
    "",
    " ",
    "x",
    "--",
    "%",
    "./saved",
    "\u{1b}[2J\n",
];

/// Names of what there is, and of what there is not.
const NAMES: [&str; 9] = [
    "./saved",
    "./packed",
    "./lime",
    "./empty",
    "./none/x",
    ".",
    "capture",
    "/dev/null",
    "./new%n",
];

/// An argument of a command, as proptest puts it together.
#[derive(Clone, Debug)]
enum Word {
    Flag(String),
    Value(String, String),
}

/// The options of `name`: their names, and whether they take a value, with those that it may have.
fn words(name: &str) -> BoxedStrategy<Word> {
    let mut definition = Cli::command();
    // Options of commands are defined when they are needed.
    definition.build();
    let found = definition.find_subcommand(name).unwrap();
    let all = found.get_arguments().filter_map(|argument| {
        let long = format!("--{}", argument.get_long()?);
        if !argument.get_action().takes_values() {
            return Some(Just(Word::Flag(long)).boxed());
        }
        let mut values: Vec<String> = VALUES
            .iter()
            .chain(&NAMES)
            .map(|&value| value.into())
            .collect();
        for value in argument.get_possible_values() {
            // As often as all the others together.
            values.extend(std::iter::repeat_n(value.get_name().to_owned(), 8));
        }
        let value = prop_oneof![
            8 => proptest::sample::select(values),
            1 => any::<u64>().prop_map(|number| number.to_string()),
            1 => any::<u64>().prop_map(|number| format!("{number:#x}")),
        ];
        Some(
            value
                .prop_map(move |value| Word::Value(long.clone(), value))
                .boxed(),
        )
    });
    proptest::strategy::Union::new(all.collect::<Vec<_>>()).boxed()
}

fn lines(name: &'static str) -> impl Strategy<Value = Vec<String>> {
    let names = proptest::sample::select(NAMES.to_vec());
    let words = proptest::collection::vec(words(name), 0..4);
    (proptest::collection::vec(names, 0..3), words).prop_map(move |(names, words)| {
        let mut line = vec![name.to_owned()];
        line.extend(names.into_iter().map(str::to_owned));
        for word in words {
            match word {
                Word::Flag(flag) => line.push(flag),
                Word::Value(flag, value) => line.extend([format!("{flag}={value}")]),
            }
        }
        line
    })
}

/// Runs it to its end, or for [`LIMIT`]; the status and what it says on standard error.
fn run(bench: &Bench, line: &[String]) -> Option<(ExitStatus, String)> {
    let args: Vec<&str> = line.iter().map(String::as_str).collect();
    let mut child = command(bench.folder.path(), &args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (sender, said) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        // The receiver is gone after its time limit.
        let _ = sender.send(text);
    });
    let said = said.recv_timeout(LIMIT);
    if said.is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    reader.join().unwrap();
    said.ok()
        .map(|text| (status, String::from_utf8_lossy(&text).into_owned()))
}

fn scene() -> Bench {
    let bench = Bench::new(70_000);
    for args in [
        &["dump", "./saved", "./packed", "--compress", "zstd"][..],
        &[
            "convert",
            "./saved",
            "./lime",
            "--to",
            "lime",
            "--base",
            "0xfffffffffff00000",
        ],
    ] {
        let output = bench.run(args);
        assert!(output.status.success(), "{output:?}");
    }
    std::fs::write(bench.path("empty"), "").unwrap();
    bench
}

fn answers(name: &'static str) {
    let bench = scene();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let checked = runner.run(&lines(name), |line| {
        // It takes room on the disk.
        let _ = std::fs::remove_file(bench.path("new1"));
        let Some((status, said)) = run(&bench, &line) else {
            return Ok(());
        };
        prop_assert_eq!(status.signal(), None, "{}", said);
        let status = status.code().unwrap_or(-1);
        prop_assert!((0..=15).contains(&status), "{}: {}", status, said);
        prop_assert!(!said.contains("panicked"), "{}", said);
        prop_assert!(status == 0 || !said.is_empty(), "{}", status);
        prop_assert!(!said.contains('\u{1b}'), "{:?}", said);
        Ok(())
    });
    if let Err(error) = checked {
        panic!("{name}: {error}");
    }
}

macro_rules! answers {
    ($($command:ident)*) => {
        $(#[test]
        fn $command() {
            answers(stringify!($command));
        })*

        #[test]
        fn every_command_is_tried() {
            let tried = [$(stringify!($command)),*];
            for command in Cli::command().get_subcommands() {
                assert!(tried.contains(&command.get_name()), "{command}");
            }
        }
    };
}

answers! { list show dump snapshot load record play trigger verify convert send receive doctor bench diff find completions man }
