// SPDX-License-Identifier: MIT
//! The suite: behaviour of the image on a real kernel, in QEMU, over the serial console.
//!
//! Each test runs in one of a few machines ([`bed::Bed`]). A machine is started when the first of
//! its tests wants it and serves them one after the other; after each the kernel must have nothing
//! to complain about. As many machines are busy as there are processors ([`crate::lanes`]). When
//! all tests have run, the machines are powered off.

mod abi;
mod autodump;
mod bed;
mod broken;
mod coherency;
mod cost;
mod cut;
mod disk;
mod edges;
mod failing;
mod faults;
mod flash;
mod folders;
mod fuzz;
mod guide;
mod hidden;
mod holes;
mod identity;
mod lab;
mod lanes;
mod lifecycle;
mod mapping;
mod messages;
mod named;
mod nodes;
mod parity;
mod planted;
mod pmem;
mod powercut;
mod reading;
mod readme;
mod refusals;
mod regions;
mod registered;
mod requests;
mod rescue;
mod security;
mod shared;
mod signals;
mod snapshot;
mod snapshots;
mod tool;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use board::Board;
use host::paths::Paths;
use libtest_mimic::{Arguments, Failed, Trial};
use machine::races;

use bed::{Beds, Cell};

/// A test in machines of its own, or in none.
type Alone = (&'static str, fn() -> Result<()>);

const ALONE: [Alone; 14] = [
    (
        "autodump::a_region_that_survived_a_reset_is_on_disk_before_the_prompt",
        autodump::a_region_that_survived_a_reset_is_on_disk_before_the_prompt,
    ),
    (
        "broken::a_bad_sector_leaves_an_exact_prefix_that_is_described",
        broken::a_bad_sector_leaves_an_exact_prefix_that_is_described,
    ),
    (
        "cost::a_dump_is_as_cheap_as_it_was",
        cost::a_dump_is_as_cheap_as_it_was,
    ),
    (
        "cost::what_is_not_data_costs_little",
        cost::what_is_not_data_costs_little,
    ),
    (
        "cost::a_sync_touches_every_cache_line_that_it_must",
        cost::a_sync_touches_every_cache_line_that_it_must,
    ),
    (
        "cost::binding_looks_at_each_page_in_few_instructions",
        cost::binding_looks_at_each_page_in_few_instructions,
    ),
    (
        "cut::a_dump_goes_on_after_ctrl_c",
        cut::a_dump_goes_on_after_ctrl_c,
    ),
    (
        "requests::the_image_raises_the_limit_of_its_disks",
        requests::the_image_raises_the_limit_of_its_disks,
    ),
    (
        "requests::a_dump_raises_the_limit_and_puts_it_back",
        requests::a_dump_raises_the_limit_and_puts_it_back,
    ),
    (
        "flash::an_image_arrives_on_a_disk_that_nobody_uses",
        flash::an_image_arrives_on_a_disk_that_nobody_uses,
    ),
    (
        "guide::the_guide_makes_a_board",
        guide::the_guide_makes_a_board,
    ),
    (
        "nodes::whatever_a_device_tree_says_works_or_is_refused_with_a_word",
        nodes::whatever_a_device_tree_says_works_or_is_refused_with_a_word,
    ),
    (
        "powercut::what_is_on_disk_after_a_power_cut_is_complete_or_can_be_gone_on_with",
        powercut::what_is_on_disk_after_a_power_cut_is_complete_or_can_be_gone_on_with,
    ),
    (
        "security::nobody_is_heard_where_the_console_is_switched_off",
        security::nobody_is_heard_where_the_console_is_switched_off,
    ),
];

fn main() -> ExitCode {
    match suite(Arguments::from_args()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn suite(mut arguments: Arguments) -> Result<ExitCode> {
    let board = bed::board(&Paths::discover()?)?;
    println!("board {}", board.name);
    let beds = Arc::new(Beds::new());
    let mut trials = parity::trials(&board);
    trials.push(trial(
        &board,
        "folders::nothing_in_the_image_names_those_it_was_built_in",
        None,
        folders::nothing_in_the_image_names_those_it_was_built_in,
    )?);
    if board.find("QEMU").is_some() {
        trials.extend(in_machines(&board, &beds)?);
    } else {
        println!("QEMU does not play this board: only its images are looked at");
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // Who waits for one machine does not keep another from being used.
    arguments.test_threads.get_or_insert(2 * processors);
    let conclusion = libtest_mimic::run(&arguments, lanes::deal(trials, Trial::name, processors));
    let ended = beds.power_off();
    if let Err(error) = &ended {
        eprintln!("a machine did not end cleanly: {error:#}");
    }
    if let Some(others) = races::summary() {
        print!("{others}");
    }
    Ok(if conclusion.has_failed() || ended.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The tests of a board that QEMU plays.
fn in_machines(board: &Board, beds: &Arc<Beds>) -> Result<Vec<Trial>> {
    let cases = [
        abi::cases(),
        disk::cases(),
        holes::cases(),
        coherency::cases(),
        edges::cases(),
        failing::cases(),
        fuzz::cases(),
        named::cases(),
        signals::cases(),
        identity::cases(),
        reading::cases(),
        readme::cases(),
        refusals::cases(),
        registered::cases(),
        rescue::cases(),
        security::cases(),
        shared::cases(),
        snapshot::cases(),
        snapshots::cases(),
        mapping::cases(),
        messages::cases(),
        lab::cases(),
        lifecycle::cases(),
        tool::cases(),
    ];
    let mut trials = planted::trials(board);
    trials.extend(pmem::trials(board));
    trials.extend(hidden::trials(board)?);
    for (name, run) in ALONE {
        trials.push(trial(board, name, None, run)?);
    }
    for (name, run) in security::lockdown::ALONE {
        trials.push(trial(board, name, security::lockdown::excluded(), run)?);
    }
    let cells = cases.into_iter().flatten().map(Cell::from);
    for Cell { bed, name, run } in cells.chain(faults::cells()) {
        let beds = Arc::clone(beds);
        let whole = format!("{}::{name}", bed.name());
        let run = move || beds.with(bed, &name, run);
        trials.push(trial(board, &whole, bed.excluded(board)?, run)?);
    }
    Ok(trials)
}

/// A test, ignored with a word about it where the board or the kernel flavour cannot run it.
fn trial(
    board: &Board,
    name: &str,
    excluded: Option<String>,
    run: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<Trial> {
    let flavour = bed::instead().map(|flavour| board.excluded_in(flavour));
    let listed = [board.excluded_tests()?, flavour.unwrap_or(Ok(Vec::new()))?];
    let listed = listed.into_iter().flatten();
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
