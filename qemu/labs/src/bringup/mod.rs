// SPDX-License-Identifier: MIT
//! What is run first on a board: what works, whether a dump is what is in memory, how fast it is, and what a power cut
//! leaves; with a report.

mod cuts;
mod desk;
mod device;
mod emulator;
mod report;
mod steps;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use board::{Board, Image, Lab};
use fastrand::Rng;
use machine::guest::Guest;

pub use report::{Outcome, Report};

/// How much, and what the report has.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Power cuts.
    pub cuts: usize,
    /// Decides on the moments of the cuts.
    pub seed: u64,
    /// Whether the console goes into the report.
    pub log: bool,
}

/// Why a step that needs a disk of its own is left out.
const NO_DISK: &str = "the lab file has no SCRATCH_DISK";

/// Where it is run: what is switched on, and what may be written to there.
pub trait Place {
    /// What it is, for the report.
    fn name(&self) -> String;
    /// Switches it on, and waits for the shell.
    fn start(&self) -> Result<Guest>;
    /// A disk that is overwritten, if there is one.
    fn disk(&self) -> Option<&str>;
    /// A folder for dumps, on a file system of its own.
    fn folder(&self) -> &str;
    /// The command that mounts that file system, if the system does not.
    fn mount(&self) -> Option<&str>;
    /// The folder that has the modules of the tests.
    fn modules(&self) -> &str;
    /// What a run there cannot show, whatever its results are.
    fn cannot_show(&self) -> &[&str];
}

/// Runs all steps, on the board that a lab file reaches or as QEMU plays it, with files in `folder`, and leaves the
/// report there.
pub fn run(
    board: &Board,
    image: &Image,
    folder: &Path,
    options: &Options,
    lab: Option<&Lab>,
) -> Result<Report> {
    let place: Box<dyn Place> = match lab {
        Some(lab) => Box::new(desk::Desk::new(lab, board, image, folder)),
        None => Box::new(emulator::Emulator::new(board, image, folder)?),
    };
    let report = on(&*place, &board.name, options)?;
    report.save(folder)?;
    Ok(report)
}

/// Runs all steps.
fn on(place: &dyn Place, board: &str, options: &Options) -> Result<Report> {
    println!(
        "==> bring-up: {board}, {}, SEED={}",
        place.name(),
        options.seed
    );
    let mut session = Session {
        place,
        guest: None,
        region: String::new(),
        console: String::new(),
    };
    let mut report = Report::new(board, place);
    report.system = session.system()?;
    report.step("doctor", || session.tried(steps::doctor));
    report.step("device that writes", || session.tried(device::device));
    report.step("dump", || session.tried(steps::dump));
    report.step("throughput", || session.tried(steps::throughput));
    let rng = Rng::with_seed(options.seed);
    report.step("power cuts", || {
        session.tried(|session| cuts::cuts(session, options.cuts, rng))
    });
    report.step("power off", || session.end());
    report.console = options.log.then_some(session.console);
    Ok(report)
}

/// The machine while the steps are run; the first that needs it switches it on.
struct Session<'a> {
    place: &'a dyn Place,
    guest: Option<Guest>,
    /// The region that is dumped.
    region: String,
    /// What the consoles of machines that were switched off said.
    console: String,
}

impl Session<'_> {
    /// The machine, at its prompt and with the folder for dumps.
    fn guest(&mut self) -> Result<&mut Guest> {
        if self.guest.is_none() {
            let mut guest = self.place.start()?;
            if let Some(mount) = self.place.mount() {
                guest.check(mount)?;
            }
            self.guest = Some(guest);
        }
        self.guest.as_mut().context("no machine")
    }

    /// What a command says as JSON, which must succeed.
    fn json(&mut self, command: &str) -> Result<Value> {
        let text = self
            .guest()?
            .check_within(&format!("{command} --json"), 600)?;
        // Lines of the log may come before it.
        let object = text.find("{\"").map(|at| &text[at..]);
        let object = object.map(|text| serde_json::Deserializer::from_str(text).into_iter().next());
        let object = object
            .flatten()
            .with_context(|| format!("{command:?} printed {text:?}"))?;
        object.with_context(|| format!("{command:?} printed {text:?}"))
    }

    /// What the machine is, and which region is the first.
    fn system(&mut self) -> Result<Value> {
        let listed = self.json("resdump list")?;
        let label = listed["regions"][0]["label"].as_str();
        self.region = label
            .context("the system has no region: make console, resdump doctor")?
            .to_owned();
        let guest = self.guest()?;
        let mut line =
            |command: &str| Ok::<_, anyhow::Error>(guest.check(command)?.trim().to_owned());
        let model = "tr -d '\\0' </proc/device-tree/model || true";
        Ok(serde_json::json!({
            "kernel": line("uname -srm")?,
            "resdump": line("resdump --version")?,
            "model": line(model)?,
            "processor": line("sed -n 's/^cpu[ \\t]*: //p' /proc/cpuinfo | sort -u | head -n 1")?,
            "processors": line("grep -c ^processor /proc/cpuinfo")?,
            "memory": line("sed -n 's/^MemTotal: *//p' /proc/meminfo")?,
            "regions": listed["regions"],
        }))
    }

    /// Does a step. A machine that does not answer after one that failed is switched off: the next starts it again.
    fn tried(&mut self, step: impl FnOnce(&mut Self) -> Result<Outcome>) -> Result<Outcome> {
        let outcome = step(self);
        let answers = |guest: &mut Guest| guest.check("true").is_ok();
        if outcome.is_err() && !self.guest.as_mut().is_none_or(answers) {
            // The step's error is the one to tell.
            let _ = self.cut();
        }
        outcome
    }

    /// Takes the power away.
    fn cut(&mut self) -> Result<()> {
        let guest = self.guest.take().context("there is no machine to cut")?;
        self.console.push_str(&guest.console().transcript());
        guest.kill()
    }

    /// Switches off in order.
    fn end(&mut self) -> Result<Outcome> {
        self.guest()?;
        let guest = self.guest.take().context("no machine")?;
        self.console.push_str(&guest.console().transcript());
        let status = guest.power_off()?;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(Outcome::passed("the system ended in order"))
    }
}
