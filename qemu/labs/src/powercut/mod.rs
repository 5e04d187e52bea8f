// SPDX-License-Identifier: MIT
//! Power cuts: dumps whose machine is killed, with what was not durable really lost, and what the next
//! start finds on the disks.
//!
//! A cut is one SIGKILL for QEMU. Its log gives several disk states, each of which may be what the cut
//! left behind; all of them are examined, many in one machine.

mod examine;
mod kill;
mod lab;
mod log;
mod nbd;
mod plan;
mod recorder;
mod recording;
mod report;
mod state;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use fastrand::Rng;

use board::{Board, Image};
use examine::Subject;
use host::{deadline, settings};
use kill::Killed;
use lab::Lab;
use plan::{Plan, Start};

pub(crate) use examine::{ERRORS, Found};
pub(crate) use kill::{Promise, checkpoint};
pub use recording::{Recordings, record};
pub use report::Report;

/// How much, and what.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Cuts.
    pub cuts: usize,
    /// Disk states that are examined of each.
    pub states: usize,
    /// Repeats the plan.
    pub seed: u64,
}

/// The seed that was given, else a fresh one.
pub fn seed() -> u64 {
    let given = settings::get().seed;
    given.unwrap_or_else(|| u64::from(Rng::new().u32(..)))
}

/// Cuts and examines, two machines at a time, with files in `folder`. States that are not as they should
/// be are in the report, and their disks in the folder.
pub fn run(board: &Board, image: &Image, folder: &Path, options: &Options) -> Result<Report> {
    println!(
        "==> cuts: {} cuts, {} disk states each, SEED={}",
        options.cuts, options.states, options.seed
    );
    let began = Instant::now();
    let at_once = examine::at_once(board)?;
    let lab = Lab::prepare(board, image, folder, options.seed)?;
    let mut report = Report::new(options);
    let killed = thread::scope(|scope| {
        // No more than what one machine examines lies ready.
        let (sender, receiver) = mpsc::sync_channel(at_once);
        let inherit = deadline::inherit();
        let killer = scope.spawn(|| {
            inherit();
            kill_all(&lab, options, sender)
        });
        let examined = examine_all(&lab, folder, at_once, receiver, &mut report);
        let killed = killer.join().map_err(|_| anyhow!("the killer panicked"))?;
        // The killer only knows that its states are not taken any more.
        examined.and(killed)
    });
    killed?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Cuts one after the other, and hands over the states that each leaves.
fn kill_all(lab: &Lab<'_>, options: &Options, states: SyncSender<Subject>) -> Result<()> {
    let mut previous: Option<Arc<Killed>> = None;
    for number in 1..=options.cuts {
        let before = previous.as_deref();
        let plan = Plan::draw(options.seed, number, before.map(|it| &it.plan));
        let base = match before {
            Some(before) if plan.start == Start::Continued => {
                let mut cuts = cuts_of(before, options);
                let which = Rng::with_seed(plan.seed).usize(..cuts.len());
                before.left(&cuts.swap_remove(which))
            }
            _ => lab.base(&plan.variant)?,
        };
        let killed = kill::kill(lab, &plan, base)
            .with_context(|| format!("cut {number}: {}", plan.command()))?;
        let killed = Arc::new(killed);
        for (number, cut) in cuts_of(&killed, options).into_iter().enumerate() {
            let killed = Arc::clone(&killed);
            let subject = Subject {
                killed,
                number,
                cut,
            };
            if states.send(subject).is_err() {
                return Ok(());
            }
        }
        previous = Some(killed);
    }
    Ok(())
}

fn cuts_of(killed: &Killed, options: &Options) -> Vec<state::Cut> {
    let end = killed.log.now();
    killed.plan.states(options.states, killed.armed, end)
}

/// Examines states, `at_once` in one machine, until there are no more.
fn examine_all(
    lab: &Lab<'_>,
    folder: &Path,
    at_once: usize,
    states: Receiver<Subject>,
    report: &mut Report,
) -> Result<()> {
    loop {
        let subjects: Vec<Subject> = states.iter().take(at_once).collect();
        if subjects.is_empty() {
            return Ok(());
        }
        let place = folder.join("examine");
        let verdicts = examine::examine(lab, &place, &subjects)?;
        for (subject, verdict) in subjects.iter().zip(verdicts) {
            if let Err(error) = &verdict.found {
                let kept = keep(folder, &place, subject)?;
                println!(
                    "    FAIL: {kept}: {error:#}\n    {}",
                    subject.killed.plan.command()
                );
            }
            report.add(subject, verdict);
        }
        println!("    {}", report.progress());
    }
}

/// Keeps the disks of a state that is not as it should be, as they were before they were examined.
fn keep(folder: &Path, machine: &Path, subject: &Subject) -> Result<String> {
    let name = format!(
        "cut-{}-state-{}",
        subject.killed.plan.number, subject.number
    );
    let place = folder.join(&name);
    fs::create_dir_all(&place)?;
    let (disks, _) = subject.killed.disks(&subject.cut);
    for (disk, name) in disks.iter().zip(["fs.img", "raw.img"]) {
        lab::store(&place.join(name), disk)?;
    }
    fs::copy(machine.join("console.log"), place.join("console.log"))?;
    let plan = serde_json::to_string_pretty(&subject.killed.plan)?;
    fs::write(place.join("plan.json"), plan + "\n")?;
    Ok(name)
}
