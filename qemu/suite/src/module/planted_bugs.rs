// SPDX-License-Identifier: MIT
//! The detectors themselves: a bug that was planted is reported, and the suite would fail for it.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

/// What each detector is given to find: its option, what it must say, and the function that it must name,
/// as Rust's symbols spell it. The first that a kernel has counts.
const DETECTORS: [(&str, &str, &str); 4] = [
    (
        "CONFIG_KASAN=y",
        "BUG: KASAN: slab-out-of-bounds in ",
        "7planted13out_of_bounds5plant",
    ),
    (
        "CONFIG_KCSAN=y",
        "BUG: KCSAN: data-race in ",
        "7planted4raceNt",
    ),
    (
        "CONFIG_KFENCE=y",
        "BUG: KFENCE: use-after-free read in ",
        "7planted14use_after_free5plant",
    ),
    (
        "CONFIG_SLUB_DEBUG_ON=y",
        "Poison overwritten",
        "7planted8poisoned5plant",
    ),
];

pub fn cases() -> Vec<Case> {
    let case = case!(alone, a_planted_bug_is_reported);
    vec![case.needs(Need::Detector).flavour("kasan")]
}

/// Runs in a machine of its own, which is not used again.
fn a_planted_bug_is_reported() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "kasan")?;
    let folder = paths.fresh_out(&frame::below(&board, "planted-bugs"))?;
    let config = fs::read_to_string(image.file("linux.config"))?;
    let (_, says, place) = DETECTORS
        .into_iter()
        .find(|(option, _, _)| config.lines().any(|line| line == *option))
        .context("a kernel without a detector")?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.cpus = board.qemu()?.cpus_max;
    let mut guest = machine.start()?;
    match play(&mut guest, says, place) {
        Ok(()) => guest.kill(),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn play(guest: &mut Guest, says: &str, place: &str) -> Result<()> {
    guest.wait_for_shell()?;
    guest.check_health(TAINT_OUT_OF_TREE)?;
    guest.check("insmod /lib/planted.ko")?;
    let Err(report) = guest.check_health(TAINT_OUT_OF_TREE) else {
        bail!("the bug was not reported");
    };
    let report = format!("{report:#}");
    ensure!(
        report.contains(says)
            && report
                .lines()
                .any(|line| line.contains(place) && line.ends_with("[planted]")),
        "not {says:?} in {place}:\n{report}"
    );
    Ok(())
}
