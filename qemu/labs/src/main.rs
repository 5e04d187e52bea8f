// SPDX-License-Identifier: MIT
//! Long runs and measurements on a finished image, for make.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use board::{Board, Image, Lab};
use host::paths::Paths;
use host::{exit, settings};
use labs::fakeboard::Noise;
use labs::powercut::{self, Options};
use labs::{bench, bringup, fakeboard, order, profile, profile_boot, run, soak};

#[derive(Parser)]
#[command(about, max_term_width = 90)]
struct Arguments {
    /// Only judges the arguments, the board and the lab file: before anything is built.
    #[arg(long)]
    judge: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Memory to disk by each engine, compared on the host (boots the lab flavour, whose /dev/mem
    /// is open for the comparison).
    Run,
    /// What a dump costs in instructions, and how fast it is next to the other ways.
    Bench,
    /// Where the instructions of a command go, counted one by one.
    Profile {
        /// Functions that are listed.
        #[arg(long, default_value_t = 60)]
        top: usize,
        /// MiB of the region, which goes to a disk that forgets, instead of the board's.
        #[arg(long)]
        region_mib: Option<u64>,
        /// That region is a ring, for 'resdump bench record'.
        #[arg(long, requires = "region_mib")]
        ring: bool,
        /// What is typed in the guest; `/dev/vda` is an empty disk, `/mnt` ext4 on another.
        command: String,
    },
    /// Where the instructions from power-on to the prompt go, counted one by one.
    ProfileBoot {
        /// Functions that are listed, before the first program and after that.
        #[arg(long, default_value_t = 40)]
        top: usize,
    },
    /// Puts the functions that ordinary commands execute side by side in the dumper: writes its linker script.
    Order,
    /// The long run, on the debug kernel.
    Soak {
        /// How long, at least.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Dumps whose machine is killed, and what the next start finds.
    Cuts {
        /// How often QEMU is killed.
        #[arg(long, default_value_t = 200)]
        cuts: usize,
        /// Disk states that are examined of each.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
        states: u16,
    },
    /// Recordings whose machine is killed, and what is proven in each disk state that this may leave.
    RecordCuts {
        /// How often QEMU is killed.
        #[arg(long, default_value_t = 50)]
        cuts: usize,
        /// Disk states that are examined of each.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
        states: u16,
    },
    /// A board that is none, behind the commands of a lab file: runs a command on it.
    Fakeboard {
        /// Of so many characters on the serial line, one is damaged; 0 for none.
        #[arg(long, default_value_t = 4000)]
        noise: u64,
        /// Bytes a second that the card takes; without it as many as come.
        #[arg(long)]
        card_rate: Option<u64>,
        /// The command; `TARGET=` and the lab file are added.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// What is run first on a board, with a report.
    BringUp {
        /// How often the power is taken away.
        #[arg(long, default_value_t = 20)]
        cuts: usize,
        /// Puts the console into the report.
        #[arg(long)]
        log: bool,
    },
    /// An interactive guest on this terminal.
    Console,
}

fn main() -> ExitCode {
    exit::code(work(&Arguments::parse()))
}

fn work(arguments: &Arguments) -> Result<bool> {
    let settings = settings::load()?;
    let paths = Paths::discover()?;
    let board = Board::load(&paths.root, &settings.board)?;
    if arguments.judge {
        return judge(&arguments.task, &board, settings.target.as_deref()).map(|()| true);
    }
    let image = |flavour| Image::open(&paths.image(&board.name, flavour));
    match &arguments.task {
        Task::Run => run::run(&paths, &board, &image("lab")?),
        Task::Bench => bench::bench(&paths, &board, &image("lab")?).map(|()| true),
        Task::Profile {
            top,
            region_mib,
            ring,
            command,
        } => {
            let profile = profile::Profile {
                command,
                top: *top,
                region: region_mib.map(|mib| mib << 20),
                ring: *ring,
            };
            profile.run(&paths, &board, &image("lab")?).map(|()| true)
        }
        Task::ProfileBoot { top } => {
            profile_boot::run(&paths, &board, &image("appliance")?, *top).map(|()| true)
        }
        Task::Order => order::run(&paths, &board, &image("lab")?).map(|()| true),
        Task::Soak { minutes } => soak::soak(&paths, &board, &image("debug")?, *minutes),
        Task::Cuts { cuts, states } => {
            let folder = paths.fresh_out("cuts")?;
            let options = Options {
                cuts: *cuts,
                states: (*states).into(),
                seed: powercut::seed(),
            };
            let report = powercut::run(&board, &image("appliance")?, &folder, &options)?;
            report.save(&folder)
        }
        Task::RecordCuts { cuts, states } => {
            let folder = paths.fresh_out("record-cuts")?;
            let options = Options {
                cuts: *cuts,
                states: (*states).into(),
                seed: powercut::seed(),
            };
            let image = image("appliance")?;
            let found = powercut::record(&board, &image, &paths.host_dumper(), &folder, &options)?;
            println!("{}", found.line());
            Ok(found.failures.is_empty())
        }
        Task::Fakeboard {
            noise,
            card_rate,
            command,
        } => {
            let noise = Noise {
                seed: powercut::seed(),
                one_in: *noise,
            };
            fakeboard::run(
                &paths,
                &board,
                &image("appliance")?,
                noise,
                *card_rate,
                command,
            )
        }
        Task::BringUp { cuts, log } => {
            let folder = paths.fresh_out("bring-up")?;
            let options = bringup::Options {
                cuts: *cuts,
                seed: powercut::seed(),
                log: *log,
            };
            let lab = settings.target.as_deref().map(Lab::load).transpose()?;
            let image = image("bringup")?;
            let report = bringup::run(&board, &image, &folder, &options, lab.as_ref())?;
            Ok(report.passed())
        }
        Task::Console => run::console(&paths, &board, &image("appliance")?).map(|()| true),
    }
}

/// An error where a task cannot be done whatever is built.
fn judge(task: &Task, board: &Board, target: Option<&Path>) -> Result<()> {
    if let (Task::BringUp { .. }, Some(file)) = (task, target) {
        return Lab::load(file).map(drop);
    }
    let played = board.qemu().map(drop);
    match task {
        Task::BringUp { .. } => played.context("a board of yours: make bring-up TARGET=lab.conf"),
        _ => played,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(words: &[&str], board: &str, target: Option<&Path>) -> Result<(), String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let board = Board::load(&root, board).unwrap();
        let words = ["labs", "--judge"].iter().chain(words);
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        judge(&arguments.task, &board, target).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_cannot_be_done_is_said_before_anything_is_built() {
        judged(&["soak", "--minutes", "1"], "qemu-ppce500", None).unwrap();
        judged(&["bring-up"], "qemu-ppce500", None).unwrap();
        let error = judged(&["soak", "--minutes", "x"], "qemu-ppce500", None).unwrap_err();
        assert!(error.contains("invalid value 'x'"), "{error}");
        let error = judged(&["soak"], "p2041rdb", None).unwrap_err();
        assert!(error.contains("QEMU does not play it"), "{error}");
        let error = judged(&["bring-up"], "p2041rdb", None).unwrap_err();
        assert!(error.contains("make bring-up TARGET=lab.conf"), "{error}");
        let nowhere = Path::new("/nowhere/lab.conf");
        let error = judged(&["bring-up"], "p2041rdb", Some(nowhere)).unwrap_err();
        assert!(error.contains("cannot read /nowhere/lab.conf"), "{error}");
    }
}
