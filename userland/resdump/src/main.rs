// SPDX-License-Identifier: MIT

//! Writes reserved physical memory to disk with direct I/O and no copy; see `resdump --help`.

#![deny(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use resdump::{cli::Cli, console::Console, logging, signals};

mod before;
mod pow;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when this fails. Help and version are not errors: status 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    logging::start(cli.verbose, cli.syslog);
    let console = Console::new(cli.command.name(), cli.json);
    match signals::tame().and_then(|()| cli.command.run(&console)) {
        Ok(code) => code.into(),
        Err(error) => console.failure(&error).into(),
    }
}
