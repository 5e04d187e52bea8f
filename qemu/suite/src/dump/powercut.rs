// SPDX-License-Identifier: MIT
//! Dumps whose machine is killed, and what the next start finds: a few of what `make cuts` does.

use anyhow::{Result, bail, ensure};

use board::Need;
use host::paths::Paths;
use labs::powercut::{self, Options};

use crate::frame::{self, Case, case};

const CUTS: usize = 8;
const STATES: usize = 5;

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            alone,
            what_is_on_disk_after_a_power_cut_is_complete_or_can_be_resumed
        )
        .needs(Need::PowerCut)
        .limit(1200),
        case!(alone, what_an_index_proves_after_a_power_cut_is_right)
            .needs(Need::PowerCut)
            .needs(Need::DeviceNode)
            .needs(Need::WideAddresses)
            .needs(Need::MemoryAtZero)
            .limit(900),
    ]
}

/// Cuts of recordings, and disk states of each.
const RECORDINGS: usize = 3;
const OF_EACH: usize = 12;

/// A few of what `make record-cuts` does.
fn what_an_index_proves_after_a_power_cut_is_right() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "powercut-recording"))?;
    let options = Options {
        cuts: RECORDINGS,
        states: OF_EACH,
        seed: powercut::seed(),
    };
    let found = powercut::record(&board, &image, &paths.host_dumper(), &folder, &options)?;
    println!("{}", found.line());
    if let Some(failure) = found.failures.first() {
        bail!(
            "{}\n{failure}\nrepeat: make test TEST=powercut SEED={}",
            found.line(),
            options.seed
        );
    }
    ensure!(found.states == RECORDINGS * OF_EACH, "{found:?}");
    // Something was at stake.
    ensure!(
        found.proving > 0 && found.fate.durable > 0 && found.fate.dropped > 0,
        "{found:?}"
    );
    Ok(())
}

/// Runs in machines of its own.
fn what_is_on_disk_after_a_power_cut_is_complete_or_can_be_resumed() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "powercut"))?;
    let options = Options {
        cuts: CUTS,
        states: STATES,
        seed: powercut::seed(),
    };
    let report = powercut::run(&board, &image, &folder, &options)?;
    println!("{}", report.markdown());
    if let Some(failure) = report.failures.first() {
        bail!(
            "{} of {} disk states are wrong, the first is state {} of cut {}: {}\n{}\nits disks and the \
             console are in {}\nrepeat: make test TEST=powercut SEED={}",
            report.failures.len(),
            CUTS * STATES,
            failure.state,
            failure.cut,
            failure.error,
            failure.command,
            folder.display(),
            options.seed
        );
    }
    let total = report.total();
    ensure!((total.cuts, total.states) == (CUTS, CUTS * STATES));
    // Something was at stake.
    ensure!(
        report.fate.durable > 0 && report.fate.dropped > 0,
        "{report:?}"
    );
    Ok(())
}
