// SPDX-License-Identifier: MIT

//! One file for each command.

#![forbid(unsafe_code)]

use crate::{cli::Command, error::Result, exit_codes::ExitCode, output::Output};

pub mod bench;
pub mod convert;
pub mod doctor;
pub mod dump;
pub mod list;
pub mod load;
pub mod receive;
pub mod send;
pub mod show;
pub mod snapshot;
pub mod verify;

/// Runs `command`.
pub fn run(command: &Command, output: &Output) -> Result<ExitCode> {
    match command {
        Command::List(args) => list::run(args, output),
        Command::Show(args) => show::run(args, output),
        Command::Send(args) => send::run(args, output),
        Command::Receive(args) => receive::run(args, output),
        Command::Verify(args) => verify::run(args, output),
        Command::Convert(args) => convert::run(args, output),
        Command::Doctor(args) => doctor::run(args, output),
        Command::Dump(args) => dump::run(args, output),
        Command::Load(args) => load::run(args, output),
        Command::Snapshot(args) => snapshot::run(args, output),
        Command::Bench(args) => bench::run(args, output),
    }
}
