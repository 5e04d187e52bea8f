// SPDX-License-Identifier: MIT
//! The suite: behaviour of the image on a real kernel, in QEMU, over the serial console.
//!
//! Each test runs in one of a few machines ([`bed::Bed`]). A machine is started when the first of
//! its tests wants it and serves them one after the other; after each the kernel must have nothing
//! to complain about. When all tests have run, the machines are powered off.

mod bed;
mod coherency;
mod cost;
mod disk;
mod edges;
mod flash;
mod guide;
mod holes;
mod identity;
mod lab;
mod lifecycle;
mod mapping;
mod named;
mod parity;
mod reading;
mod readme;
mod refusals;
mod signals;
mod snapshot;
mod tool;

use std::process::ExitCode;
use std::sync::Arc;

use harness::board::Board;
use harness::paths::Paths;
use libtest_mimic::{Arguments, Failed, Trial};

use bed::{Beds, Case};

fn main() -> ExitCode {
    match suite(&Arguments::from_args()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn suite(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let board = bed::board(&Paths::discover()?)?;
    println!("board {}", board.name);
    let beds = Arc::new(Beds::new());
    let cases = [
        disk::cases(),
        holes::cases(),
        coherency::cases(),
        edges::cases(),
        named::cases(),
        signals::cases(),
        identity::cases(),
        reading::cases(),
        readme::cases(),
        refusals::cases(),
        snapshot::cases(),
        mapping::cases(),
        lab::cases(),
        lifecycle::cases(),
        tool::cases(),
    ];
    let mut trials = vec![
        Trial::test("guide::the_guide_makes_a_board", || {
            guide::the_guide_makes_a_board().map_err(failed)
        }),
        Trial::test("flash::an_image_arrives_on_a_disk_that_nobody_uses", || {
            flash::an_image_arrives_on_a_disk_that_nobody_uses().map_err(failed)
        }),
    ];
    trials.push(trial(
        &board,
        "cost::a_dump_is_as_cheap_as_it_was",
        None,
        cost::a_dump_is_as_cheap_as_it_was,
    )?);
    trials.extend(parity::trials(&board));
    for Case { bed, name, run } in cases.into_iter().flatten() {
        let beds = Arc::clone(&beds);
        let whole = format!("{}::{name}", bed.name());
        let run = move || beds.with(bed, name, run);
        trials.push(trial(&board, &whole, bed.excluded(&board)?, run)?);
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    let ended = beds.power_off();
    if let Err(error) = &ended {
        eprintln!("a machine did not end cleanly: {error:#}");
    }
    Ok(if conclusion.has_failed() || ended.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A test, ignored with a word about it where the board cannot run it.
fn trial(
    board: &Board,
    name: &str,
    excluded: Option<String>,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Trial> {
    let listed = board.excluded_tests()?.into_iter();
    let mut listed = listed.filter(|(prefix, _)| name.starts_with(prefix.as_str()));
    let reason = excluded.or_else(|| listed.next().map(|(_, reason)| reason));
    if let Some(reason) = &reason {
        println!("{name} is left out: {reason}");
    }
    let trial = Trial::test(name, move || run().map_err(failed));
    Ok(trial.with_ignored_flag(reason.is_some()))
}

fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}
