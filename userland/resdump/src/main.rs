// SPDX-License-Identifier: MIT

//! Writes reserved physical memory to disk with direct I/O and no copy; see `resdump --help`.

#![deny(unsafe_code)]

use std::{ffi::OsString, process::ExitCode};

use resdump::{cli::Cli, logging, signals, usage};

mod before;
mod pow;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::of(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::end(&error, &arguments).into(),
    };
    logging::start(cli.common.verbose, cli.common.syslog);
    let console = cli.console();
    match signals::tame().and_then(|()| cli.command.run(&console)) {
        Ok(code) => code.into(),
        Err(error) => console.failure(&error).into(),
    }
}
