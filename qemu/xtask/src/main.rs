// SPDX-License-Identifier: MIT
//! What make calls to build and check.

mod boards_table;
mod circles;
mod docs;
mod licensing;
mod lint;
mod mutations;
mod prepare;
mod reproducible;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use board::Board;
use flash::Consent;
use host::paths::Paths;
use host::{exit, settings};
use image::buildroot::Buildroot;
use image::toolchain::Toolchain;
use image::{Builder, check, cross, quick, sbom, update};

#[derive(Parser)]
#[command(about, max_term_width = 90)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// Board, a folder below board/ [default: that of RESDUMP_BOARD]
    #[arg(long, global = true)]
    board: Option<String>,
    /// Take boards from another checkout.
    #[arg(long, global = true, hide = true)]
    checkout: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
    /// Build the quick image of a kernel flavour.
    Image {
        /// A fragment of board/common/linux/fragments: appliance, lab, debug, disks or bringup.
        #[arg(default_value = "appliance")]
        flavour: String,
    },
    /// Build what the suite takes: images, and the dumper for this machine.
    Prepare {
        /// Kernel flavours: what `suite --kernels` prints.
        flavours: Vec<String>,
    },
    /// What the quick image is made of, and under which licences.
    Sbom,
    /// The licences of what a host's dumper consists of, for a target of rustc.
    HostLicences {
        /// For instance `aarch64-unknown-linux-gnu`.
        target: String,
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
    /// The dumper alone, for the board's processor.
    Dumper,
    /// What can be judged about a board without compiling a kernel; prints its boot script.
    CheckBoard,
    /// Put the suite's last runs into the record of runs, and write the tables of boards and runs.
    BoardsTable,
    /// Pin what the mirror has now as inputs of the quick image.
    UpdateInputs,
    /// Formatters, linters, binding and configuration checks.
    Lint,
    /// Of lint: documents, language, settings, commits.
    LintDocs,
    /// Put faults into a copy of the sources, each of which the tests must find.
    Mutations,
    /// Compile what each patch to Linux touches, without the others.
    Patches,
}

#[derive(Subcommand)]
enum Job {
    /// Build kernel, module, dumper, image and SDK.
    Image,
    /// Write the software bill of materials next to the image.
    Sbom,
    /// Hand targets to Buildroot's make.
    Make {
        /// menuconfig, linux-menuconfig, savedefconfig, legal-info, …
        #[arg(required = true)]
        targets: Vec<String>,
    },
}

fn main() -> ExitCode {
    exit::code(work(&Arguments::parse()))
}

fn work(arguments: &Arguments) -> Result<bool> {
    let settings = settings::load()?;
    let paths = match &arguments.checkout {
        Some(root) => Paths::discover()?.of_checkout(root),
        None => Paths::discover()?,
    };
    let tools = Toolchain::discover()?;
    let name = arguments.board.as_ref().unwrap_or(&settings.board);
    let board = Board::load(&paths.root, name)?;
    let builder = |flavour| Builder {
        paths: &paths,
        tools: &tools,
        board: &board,
        flavour,
    };
    match &arguments.task {
        Task::Image { flavour } => {
            quick::build(&builder(flavour))?;
            boards_table::leave_image(&paths, &board, flavour).map(|()| true)
        }
        Task::Prepare { flavours } => {
            prepare::prepare(&builder("appliance"), settings, flavours).map(|()| true)
        }
        Task::Sbom => {
            let builder = builder("appliance");
            sbom::write(&builder, &quick::build(&builder)?).map(|()| true)
        }
        Task::HostLicences { target } => {
            print!("{}", sbom::host_licences(&paths, &tools, target)?);
            Ok(true)
        }
        Task::Buildroot { flavour, job } => {
            let buildroot = Buildroot::prepare(&paths, &tools, &board, flavour)?;
            match job {
                Job::Image => buildroot.image().map(|_| true),
                Job::Sbom => buildroot.sbom().map(|()| true),
                Job::Make { targets } => buildroot.pass(targets).map(|()| true),
            }
        }
        Task::Reproducible { buildroot: false } => {
            let first = quick::build(&builder("appliance"))?;
            reproducible::check(&paths, &tools, &board, &first, "quick-image", "quick")
        }
        Task::Reproducible { buildroot: true } => {
            let first = Buildroot::prepare(&paths, &tools, &board, "appliance")?.image()?;
            reproducible::check(&paths, &tools, &board, &first, "image", "buildroot")
        }
        Task::Flash { device, force, yes } => {
            let image = match &settings.images {
                Some(_) => prepare::given(&paths, &board, "appliance")?,
                None => quick::build(&builder("appliance"))?,
            };
            let consent = Consent {
                force: *force,
                yes: *yes,
            };
            let answers = &mut io::stdin().lock();
            flash::flash(&image.file("sdcard.img"), device, consent, answers).map(|()| true)
        }
        Task::Dumper => dumper(&builder("appliance")).map(|()| true),
        Task::CheckBoard => {
            let script = check::board(&builder("appliance"))?;
            print!("{script}");
            Ok(true)
        }
        Task::BoardsTable => boards_table::write(&paths).map(|()| true),
        Task::UpdateInputs => update::update(&builder("appliance")).map(|()| true),
        Task::LintDocs => docs::check(&paths).map(|()| true),
        Task::Mutations => mutations::check(&paths, &tools),
        Task::Patches => image::patches_alone(&builder("debug")).map(|()| true),
        Task::Lint => lint::lint(&paths, &tools, &board).map(|()| true),
    }
}

/// Leaves the dumper where a user finds it.
fn dumper(builder: &Builder<'_>) -> Result<()> {
    let [program, _] = cross::build(builder, ["resdump", "growdata"])?;
    let folder = builder.paths.out.join("dumper");
    fs::create_dir_all(&folder)?;
    let target = folder.join("resdump");
    fs::copy(&program, &target).with_context(|| format!("cannot write {}", target.display()))?;
    println!("{}", target.display());
    Ok(())
}
