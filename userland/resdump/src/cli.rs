// SPDX-License-Identifier: MIT

//! The command line.

#![forbid(unsafe_code)]

use std::{ffi::OsString, mem::ManuallyDrop};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

#[cfg(feature = "assets")]
use crate::commands::{completions, man};
use crate::{
    commands::{
        bench, convert, diff, doctor, dump, find, list, load, play, receive, record, send, show,
        snapshot, trigger, verify,
    },
    console::Console,
    error::Result,
    exit_codes::{self, ExitCode},
    late::Late,
};

const EXAMPLES: &str = "\
Examples:
  resdump list                                which regions there are
  resdump show capture                        look at the first bytes
  resdump dump capture /mnt/capture.raw       save all of a region to a file
  resdump dump capture /dev/vdb --verify      or to a raw disk, and compare
  resdump dump capture tcp:192.168.0.2:5000   or to 'resdump receive' there
  resdump snapshot capture /mnt/now.raw       as it is at one moment
  resdump doctor                              why something does not work";

#[cfg(feature = "assets")]
const FURTHER: &str = "\
Further commands:
  completions SHELL    print completions for bash, fish, zsh, elvish, powershell
  man [COMMAND]        print a man page; 'resdump man | man -l -' shows it
  man --dir FOLDER     write all man pages";

#[cfg(not(feature = "assets"))]
const FURTHER: &str = "\
Built for a board: without the commands completions and man, and without the
  reference library of zstd. A build for a host has them.";

/// Write reserved physical memory to disk with direct I/O and no copy.
#[derive(Debug, Parser)]
#[command(
    name = "resdump",
    version,
    term_width = 80,
    after_long_help = format!("{EXAMPLES}\n\n{FURTHER}\n\n{}", exit_codes::HELP),
    disable_help_subcommand = true,
    help_template = "{about-with-newline}{usage-heading} {usage}\nCommands:\n{subcommands}\nOptions:\n{options}{after-help}"
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The options of every command.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// More detail on standard error; -vv still more
    #[arg(short, long, global = true, display_order = 900, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// One JSON object on standard output, errors included
    #[arg(
        long,
        num_args = 0,
        default_missing_value = "true",
        global = true,
        display_order = 901
    )]
    pub json: Option<bool>,

    /// Errors, warnings and the final line also to the system's log
    // Of an option that the short help does not have a man page takes the long text.
    #[arg(
        long,
        num_args = 0,
        default_missing_value = "true",
        global = true,
        display_order = 902,
        hide_short_help = true,
        long_help = "Errors, warnings and the final line also to the system's log"
    )]
    pub syslog: Option<bool>,
}

/// What there is of each command: its place in the enumeration, its name, its options and what it does, where it wants
/// that of the definition of all commands.
macro_rules! commands {
    ($($(#[$text:meta])* $variant:ident, $name:literal, $module:ident $(of $whole:expr)? $(, if $condition:meta)?;)*) => {
        /// The commands.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($(#[cfg($condition)])? $(#[$text])* $variant(Late<$module::Args>),)*
        }

        impl Command {
            /// The definition of the command with this name, without what help says of it.
            fn named(name: &str) -> Option<clap::Command> {
                match name {
                    $(
                        $(#[cfg($condition)])?
                        $name => Some($module::Args::augment_args(clap::Command::new($name))),
                    )*
                    _ => None,
                }
            }

            /// Does it, and says with which status to end.
            pub fn run(&self, console: &Console) -> Result<ExitCode> {
                match self {
                    $(
                        $(#[cfg($condition)])?
                        Self::$variant(args) => $module::run(args, $($whole,)? console),
                    )*
                }
            }

            /// As on the command line.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[cfg($condition)])? Self::$variant(_) => $name,)*
                }
            }
        }
    };
}

commands! {
    /// List the regions: label, physical address, size, access, engines
    List, "list", list;
    /// Show bytes of a region as hexadecimal and ASCII
    Show, "show", show;
    /// Write a region to a file or block device
    Dump, "dump", dump;
    /// Copy a live region to memory at once, then write it
    Snapshot, "snapshot", snapshot;
    /// Read a file or block device into a writable region
    Load, "load", load;
    /// Record a ring that a device fills, for as long as wanted
    Record, "record", record;
    /// Play a recording into a ring that a device reads
    Play, "play", play;
    /// Trigger what 'record' runs: notes the place, or records around it
    Trigger, "trigger", trigger;
    /// Check a saved file against its manifest, or against a region
    Verify, "verify", verify;
    /// List where two dumps, or a dump and a region, differ
    Diff, "diff", diff;
    /// List where bytes or text are in a region or a saved file
    Find, "find", find;
    /// Turn a saved file into another format: raw, elf, lime
    Convert, "convert", convert;
    /// Send a region over the console, when there is nothing else
    Send, "send", send;
    /// Take a dump that comes over a connection or a serial line
    Receive, "receive", receive;
    /// Try each way from memory to a target, and say what is in the way
    Doctor, "doctor", doctor;
    /// Measure the ways from memory to a target, side by side
    Bench, "bench", bench;
    /// Print completions for a shell
    #[command(hide = true)]
    Completions, "completions", completions of Cli::command(), if feature = "assets";
    /// Print a man page, or write all of them
    #[command(hide = true)]
    Man, "man", man of Cli::command(), if feature = "assets";
}

impl Cli {
    /// Reads the command line, once in the life of the process: definitions are left to its end, which frees them
    /// at no cost.
    pub fn of(arguments: &[OsString]) -> Result<Self, clap::Error> {
        match read(short(arguments.get(1)), arguments) {
            Err(error) if error.kind() != ErrorKind::DisplayVersion => {
                read(Self::command(), arguments)
            }
            understood => understood,
        }
    }

    /// Where the command prints to.
    pub fn console(&self) -> Console {
        let console = Console::new(Some(self.command.name()), self.common.json.is_some());
        if self.command.output_is_data() {
            console.aside()
        } else {
            console
        }
    }
}

/// The definition without the commands that were not given: what it understands, that of all commands understands
/// in the same way, at twice the cost.
fn short(given: Option<&OsString>) -> clap::Command {
    let command = clap::Command::new("resdump").version(env!("CARGO_PKG_VERSION"));
    let command = Common::augment_args(command);
    match given.and_then(|given| Command::named(given.to_str()?)) {
        Some(one) => command.subcommand(one),
        None => command,
    }
}

fn read(command: clap::Command, arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = ManuallyDrop::new(command);
    let mut matches = ManuallyDrop::new(command.try_get_matches_from_mut(arguments)?);
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

impl Command {
    /// Whether what is on standard output is the data itself.
    fn output_is_data(&self) -> bool {
        match self {
            Self::Dump(args) => args.writes_to_standard_output(),
            Self::Snapshot(args) => args.writes_to_standard_output(),
            Self::Send(args) => args.writes_to_standard_output(),
            Self::Receive(args) => args.writes_to_standard_output(),
            Self::Convert(args) => args.writes_to_standard_output(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_short_definition_is_refused_where_the_whole_one_is() {
        for line in [
            "",
            "dump",
            "dump a",
            "dump a b --nosuch",
            "nosuch a b",
            "-v",
            "--json",
            "--nosuch",
            "dump --help",
            "-h",
            "-v dump a b",
            "dump a b -vv --json",
            "list --json",
        ] {
            let words = ["resdump"].into_iter().chain(line.split_whitespace());
            let words: Vec<OsString> = words.map(OsString::from).collect();
            let (one, other) = (Cli::of(&words), Cli::try_parse_from(&words));
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    assert_eq!(format!("{one:?}"), format!("{other:?}"), "{line}");
                }
                (one, other) => {
                    let text = |read: Result<Cli, clap::Error>| read.unwrap_err().to_string();
                    assert_eq!(text(one), text(other), "{line}");
                }
            }
        }
        let version = ["resdump".into(), "--version".into()];
        let text = Cli::of(&version).unwrap_err().to_string();
        assert_eq!(text, Cli::try_parse_from(&version).unwrap_err().to_string());
    }

    #[test]
    fn help_fits_a_terminal() {
        let help = Cli::command().render_help().to_string();
        assert!(help.lines().count() <= 24, "{help}");
        for line in help.lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
