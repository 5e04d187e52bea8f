// SPDX-License-Identifier: MIT
//! A dump with a manifest in a folder in memory, and the program's commands on it.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Parser;
use resdump::cli::{Cli, Command};
use resdump::commands::{convert, verify};
use resdump::manifest;
use resdump::signals::Stop;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    folder.keep()
});

static DUMP: LazyLock<String> = LazyLock::new(|| in_folder("dump"));

fn in_folder(name: &str) -> String {
    FOLDER.join(name).to_str().expect("plain names").to_owned()
}

/// The files are there until the next one.
pub struct Scene;

impl Scene {
    /// The first byte of the input, and the files that the rest makes.
    pub fn of(input: &[u8]) -> Option<(u8, Self)> {
        let (first, rest) = input.split_first()?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (text, dump) = (&rest[..end], &rest[end + 1..]);
        for old in fs::read_dir(&*FOLDER).expect("the folder is there") {
            let path = old.expect("the folder is read").path();
            fs::remove_file(path).expect("files only");
        }
        fs::write(&*DUMP, dump).expect("room for a dump");
        if !text.is_empty() {
            let beside = manifest::beside(DUMP.as_str().as_ref());
            fs::write(beside, text).expect("room for a manifest");
        }
        Some((*first, Self))
    }

    /// Where the dump is.
    pub fn dump(&self) -> &'static str {
        &DUMP
    }

    /// Where another file is.
    #[allow(dead_code, reason = "not every target makes files")]
    pub fn path(&self, name: &str) -> String {
        in_folder(name)
    }

    /// Runs the program, in this process; the status that it would end with.
    pub fn run(&self, line: &[&str]) -> u8 {
        let line = ["resdump", "--json"].iter().chain(line);
        let cli = Cli::try_parse_from(line).expect("the line is right");
        let (console, stop) = (cli.console().silent(), Stop::default());
        // Not by the command itself, which would listen to signals each time.
        let result = match &cli.command {
            Command::Convert(args) => convert::run_until(args, &console, &stop),
            Command::Verify(args) => verify::run_until(args, &console, &stop),
            _ => unreachable!("no other is called"),
        };
        match result {
            Ok(code) => code as u8,
            Err(error) => error.code as u8,
        }
    }
}
