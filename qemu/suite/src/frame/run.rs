// SPDX-License-Identifier: MIT
//! From the list of tests to their verdicts: what runs, in which order, in which machine, how long.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use board::{Board, Lab};
use host::deadline::{seconds, within};
use host::paths::Paths;
use host::settings;
use machine::races;

use super::bed::{board, instead, target};
use super::case::{self, Case, Place};
use super::folders;
use super::junit::{self, Outcome, Verdict};
use super::pool::{Limits, Pool};
use super::running::Running;
use super::selection::Selection;
use super::{lanes, record};

/// Seconds for the start of a machine that tests share, and for its end.
const START: u64 = 300;
const END: u64 = 300;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    tests: Arguments,
    /// Only print the flavours of the kernels that the selected tests use.
    #[arg(long)]
    kernels: bool,
}

/// Runs the tests that the command line selects.
pub fn run(cases: Vec<Case>) -> Result<bool> {
    let Command { mut tests, kernels } = Command::parse();
    settings::load()?;
    let paths = Paths::discover()?;
    let board = board(&paths)?;
    let twice = case::names(&cases);
    ensure!(
        twice.is_empty(),
        "two tests have one name: {}",
        twice.join(", ")
    );
    if let Some(filter) = &tests.filter {
        ensure!(
            cases.iter().any(|case| case.name.contains(filter)),
            "no test has {filter} in its name: `make test-suite TEST=--list` prints all"
        );
    }
    let lab = target()?;
    ensure!(
        lab.is_none() || instead().is_none(),
        "TARGET= and a kernel for all tests (make test-debug) do not go together"
    );
    let selection = Selection::new(&tests, &board, instead(), lab.as_ref())?;
    if let Some(lab) = lab.as_ref().filter(|_| !tests.list) {
        selection.something_runs(&cases, lab)?;
    }
    if kernels {
        let flavours: Vec<&str> = selection.flavours(&cases).into_iter().collect();
        println!("{}", flavours.join(" "));
        return Ok(true);
    }
    let kernels = selection.flavours(&cases);
    let kernel = kernels.into_iter().collect::<Vec<_>>().join(", ");
    let runner = Runner::new(&board, &selection, &cases, lab.as_ref());
    // A board is one machine.
    let processors = match &lab {
        Some(_) => 1,
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let lane = |case: &Case| match case.bed() {
        Some(bed) => bed.name().to_owned(),
        None => case.name.clone(),
    };
    let cases = lanes::deal(cases, lane, processors);
    let trials = cases.into_iter().map(|case| {
        let reason = selection.reason(&case);
        runner.trial(case, reason)
    });
    let trials = trials.collect();
    // A test that waits for a machine does not keep another machine from being used.
    match &lab {
        Some(_) => tests.test_threads = Some(1),
        None => drop(tests.test_threads.get_or_insert(2 * processors)),
    }
    if !tests.list {
        println!("board {}", board.name);
        if let Some(lab) = &lab {
            println!("lab file {}", lab.file.display());
        }
        let old = paths.out.join(folders::folder(&board));
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let conclusion = libtest_mimic::run(&tests, trials);
    if !tests.list {
        runner.report(&paths, &board)?;
    }
    if !tests.list && conclusion.num_filtered_out == 0 && lab.is_none() {
        record::leave(&paths, &board, kernel, &conclusion)?;
    }
    Ok(!conclusion.has_failed())
}

/// What all tests of a run have in common.
struct Runner {
    machines: Arc<Pool<Running>>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    slowness: f64,
    /// The words that repeat a test, besides its name.
    repeat: String,
    /// Where the machines' files are, below the output folder.
    folder: String,
}

impl Runner {
    fn new(board: &Board, selection: &Selection<'_>, cases: &[Case], lab: Option<&Lab>) -> Self {
        let slowness = selection.slowness();
        let start = START + lab.map_or(0, |_| machine::lab::LONGER);
        let limits = Limits {
            start: seconds(start).mul_f64(slowness),
            end: seconds(END).mul_f64(slowness),
        };
        Self {
            machines: Arc::new(Pool::new(selection.users(cases), limits)),
            outcomes: Arc::default(),
            slowness,
            repeat: lab.map_or_else(String::new, |lab| {
                format!(" BOARD={} TARGET={}", board.name, lab.file.display())
            }),
            folder: folders::folder(board),
        }
    }

    /// A test for libtest-mimic; left out for `reason`, if there is one.
    fn trial(&self, case: Case, reason: Option<String>) -> Trial {
        let machines = Arc::clone(&self.machines);
        let outcomes = Arc::clone(&self.outcomes);
        let limit = seconds(case.limit).mul_f64(self.slowness);
        let name = case.name;
        let hint = format!(
            "{}\nrepeat: make test TEST={name}{}",
            console(&self.folder, &case.place),
            self.repeat
        );
        let place = case.place;
        Trial::ignorable_test(name.clone(), move || {
            recorded(&outcomes, name, hint, reason, move || {
                play(&machines, place, limit)
            })
        })
    }

    /// Writes what came out.
    fn report(&self, paths: &Paths, board: &Board) -> Result<()> {
        if let Some(others) = races::summary() {
            print!("{others}");
        }
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let suite = record::name(board);
        let file = paths.out.join(format!("junit/suite-{suite}.xml"));
        junit::write(&file, &suite, &outcomes)
    }
}

/// Where the console of a test's machines is, for a failure's text.
fn console(folder: &str, place: &Place) -> String {
    match place {
        Place::In(bed, _) => format!("\nconsole: out/{folder}/{}*/console.log", bed.name()),
        Place::Alone(_) => format!("\nconsoles: out/{folder}/*/console.log"),
        Place::Host(_) => String::new(),
    }
}

/// Runs a test where it belongs.
fn play(machines: &Pool<Running>, place: Place, limit: Duration) -> Result<()> {
    match place {
        Place::In(bed, run) => machines.with(bed, limit, |running| running.test(run)),
        Place::Alone(run) | Place::Host(run) => within(limit, run),
    }
}

/// Runs a test, unless there is a reason not to, and notes the result. A failure ends with `hint`.
fn recorded(
    outcomes: &Mutex<Vec<Outcome>>,
    name: String,
    hint: String,
    reason: Option<String>,
    run: impl FnOnce() -> Result<()>,
) -> Result<Completion, Failed> {
    let started = Instant::now();
    let result = match reason {
        Some(reason) => Ok(Err(reason)),
        None => catch_unwind(AssertUnwindSafe(run)).map(Ok),
    };
    let (verdict, panic) = match result {
        Ok(Ok(Ok(()))) => (Verdict::Passed, None),
        Ok(Ok(Err(error))) => (Verdict::Failed(format!("{error:#}{hint}")), None),
        Ok(Err(reason)) => (Verdict::Skipped(reason), None),
        Err(panic) => (Verdict::Failed("the test panicked".to_owned()), Some(panic)),
    };
    let outcome = Outcome {
        name,
        verdict: verdict.clone(),
        took: started.elapsed(),
    };
    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    outcomes.push(outcome);
    drop(outcomes);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    match verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(reason) => Ok(Completion::ignored_with(reason)),
        Verdict::Failed(text) => Err(Failed::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// How a test ends that needs something, or hangs, or fails; with what is noted of it.
    fn ended(
        reason: Option<&str>,
        run: impl FnOnce() -> Result<()>,
    ) -> (Result<Completion, Failed>, Verdict) {
        let outcomes = Mutex::default();
        let reason = reason.map(str::to_owned);
        let result = recorded(
            &outcomes,
            "low::m::one".into(),
            "\nconsole: c\nrepeat: r".into(),
            reason,
            run,
        );
        (result, outcomes.into_inner().unwrap().remove(0).verdict)
    }

    #[test]
    fn a_test_that_is_left_out_is_a_result_with_its_reason() {
        let (result, verdict) = ended(Some("needs FUSE: none"), || bail!("it must not run"));
        let Ok(Completion::Ignored { reason }) = result else {
            panic!("not ignored");
        };
        assert_eq!(reason.as_deref(), Some("needs FUSE: none"));
        assert_eq!(verdict, Verdict::Skipped("needs FUSE: none".to_owned()));
    }

    #[test]
    fn a_failure_says_where_the_console_is_and_how_to_repeat_it() {
        let (result, verdict) = ended(None, || bail!("wrong byte"));
        let text = "wrong byte\nconsole: c\nrepeat: r";
        assert_eq!(result.err().unwrap().message(), Some(text));
        assert_eq!(verdict, Verdict::Failed(text.to_owned()));
    }

    #[test]
    fn a_test_that_hangs_is_a_failure() {
        let (_never, waits) = std::sync::mpsc::channel::<()>();
        let (child, limit) = ("60", Duration::from_millis(20));
        let (result, _) = ended(None, move || {
            within(limit, move || {
                let mut sleeper = std::process::Command::new("sleep").arg(child).spawn()?;
                let handle = Arc::new(host::deadline::Handle::of(&sleeper)?);
                host::deadline::uses(&handle);
                sleeper.wait()?;
                drop(waits);
                Ok(())
            })
        });
        let text = result.err().unwrap();
        assert!(text.message().unwrap().starts_with("not done within 20ms"));
    }
}
