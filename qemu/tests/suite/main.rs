// SPDX-License-Identifier: MIT
//! The suite: behaviour of the image on a real kernel, in QEMU, over the serial console.
//!
//! Each test runs in one of a few machines ([`bed::Bed`]). A machine is started when the first of
//! its tests wants it and serves them one after the other; after each the kernel must have nothing
//! to complain about. When all tests have run, the machines are powered off.

mod autodump;
mod bed;
mod broken;
mod coherency;
mod cost;
mod cut;
mod edges;
mod holes;
mod identity;
mod lab;
mod lifecycle;
mod mapping;
mod messages;
mod named;
mod reading;
mod readme;
mod refusals;
mod rescue;
mod signals;
mod snapshot;
mod snapshots;
mod tool;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use bed::{Beds, Case};

/// A test in machines of its own.
type Alone = (&'static str, fn() -> Result<()>);

const ALONE: [Alone; 4] = [
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
        "cut::a_dump_goes_on_after_ctrl_c_and_after_a_power_cut",
        cut::a_dump_goes_on_after_ctrl_c_and_after_a_power_cut,
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let beds = Arc::new(Beds::new());
    let cases = [
        holes::cases(),
        coherency::cases(),
        edges::cases(),
        named::cases(),
        signals::cases(),
        identity::cases(),
        reading::cases(),
        readme::cases(),
        refusals::cases(),
        rescue::cases(),
        snapshot::cases(),
        snapshots::cases(),
        mapping::cases(),
        messages::cases(),
        lab::cases(),
        lifecycle::cases(),
        tool::cases(),
    ];
    let trials = cases
        .into_iter()
        .flatten()
        .map(|Case { bed, name, run }| {
            let beds = Arc::clone(&beds);
            Trial::test(format!("{}::{name}", bed.name()), move || {
                beds.with(bed, name, run).map_err(failed)
            })
        })
        .chain(ALONE.map(|(name, run)| Trial::test(name, move || run().map_err(failed))))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let ended = beds.power_off();
    if let Err(error) = &ended {
        eprintln!("a machine did not end cleanly: {error:#}");
    }
    if conclusion.has_failed() || ended.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}
