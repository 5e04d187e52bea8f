// SPDX-License-Identifier: MIT
//! The project's front door behind the Makefile: builds, runs and checks.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use harness::board::Board;
use harness::buildroot::Buildroot;
use harness::flash::{self, Consent};
use harness::image::{Builder, Image, check};
use harness::paths::Paths;
use harness::powercut::{self, Options};
use harness::toolchain::Toolchain;
use harness::{bench, lint, reproducible, run, soak};

#[derive(Parser)]
#[command(about, max_term_width = 90)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// Board, a folder below board/.
    #[arg(long, global = true, default_value = "qemu-ppce500")]
    board: String,
}

#[derive(Subcommand)]
enum Task {
    /// Build the quick image of a kernel flavour.
    Image {
        /// A fragment of board/common/linux/fragments: appliance, lab or debug.
        #[arg(default_value = "appliance")]
        flavour: String,
    },
    /// The product's image, by Buildroot.
    Buildroot {
        /// Kernel flavour: appliance (the minimal configuration) or lab (the one for debugging).
        #[arg(long, default_value = "appliance")]
        flavour: String,
        #[command(subcommand)]
        job: Job,
    },
    /// Build the appliance once more in another folder, and compare.
    Reproducible {
        /// Buildroot's image instead of the quick one.
        #[arg(long)]
        buildroot: bool,
    },
    /// Memory to disk by each engine, compared on the host (boots the lab flavour, whose /dev/mem
    /// is open for the comparison).
    Run,
    /// What a dump costs in instructions, and how fast it is beside the other ways.
    Bench,
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
    /// An interactive guest on this terminal.
    Console,
    /// Write the board's disk image to a medium, read it back and compare.
    Flash {
        /// A whole disk, /dev/sdX (or a plain file in its place, which must exist).
        device: PathBuf,
        /// A disk that is not removable is meant.
        #[arg(long)]
        force: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// What can be judged about a board without compiling a kernel; prints its boot script.
    CheckBoard,
    /// Formatters, linters, binding and configuration checks.
    Lint,
}

#[derive(Subcommand)]
enum Job {
    /// Build kernel, module, dumper, image and SDK.
    Image,
    /// Write the software bill of materials beside the image.
    Sbom,
    /// Hand targets to Buildroot's make.
    Make {
        /// menuconfig, linux-menuconfig, savedefconfig, legal-info, …
        #[arg(required = true)]
        targets: Vec<String>,
    },
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let whole = format!("{error:#}");
            println!("{whole}");
            println!("FAIL: {}", whole.lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> Result<bool> {
    let paths = Paths::discover()?;
    let tools = Toolchain::discover()?;
    let board = Board::load(&paths.root, &arguments.board)?;
    let builder = |flavour| Builder {
        paths: &paths,
        tools: &tools,
        board: &board,
        flavour,
    };
    let image = |flavour| match Image::given(flavour)? {
        Some(image) => Ok(image),
        None => builder(flavour).build(),
    };
    match &arguments.task {
        Task::Image { flavour } => builder(flavour).build().map(|_| true),
        Task::Buildroot { flavour, job } => {
            let buildroot = Buildroot::prepare(&paths, &tools, &board, flavour)?;
            match job {
                Job::Image => buildroot.image().map(|_| true),
                Job::Sbom => buildroot.sbom().map(|()| true),
                Job::Make { targets } => buildroot.pass(targets).map(|()| true),
            }
        }
        Task::Reproducible { buildroot: false } => {
            let first = builder("appliance").build()?;
            reproducible::check(&paths, &tools, &board, &first, "quick-image", "quick")
        }
        Task::Reproducible { buildroot: true } => {
            let first = Buildroot::prepare(&paths, &tools, &board, "appliance")?.image()?;
            reproducible::check(&paths, &tools, &board, &first, "image", "buildroot")
        }
        Task::Run => run::run(&paths, &board, &image("lab")?),
        Task::Bench => bench::bench(&paths, &board, &image("lab")?).map(|()| true),
        Task::Soak { minutes } => soak::soak(&paths, &board, &image("debug")?, *minutes),
        Task::Cuts { cuts, states } => {
            let folder = paths.fresh_out("cuts")?;
            let options = Options {
                cuts: *cuts,
                states: (*states).into(),
                seed: powercut::seed()?,
            };
            let report = powercut::run(&board, &image("appliance")?, &folder, &options)?;
            report.save(&folder)
        }
        Task::Console => run::console(&paths, &board, &image("appliance")?).map(|()| true),
        Task::Flash { device, force, yes } => {
            let image = image("appliance")?.file("sdcard.img");
            let consent = Consent {
                force: *force,
                yes: *yes,
            };
            flash::flash(&image, device, consent, &mut io::stdin().lock()).map(|()| true)
        }
        Task::CheckBoard => {
            let script = check::board(&builder("appliance"))?;
            print!("{script}");
            Ok(true)
        }
        Task::Lint => lint::lint(&paths, &tools, &board).map(|()| true),
    }
}
