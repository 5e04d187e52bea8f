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
    ]
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
