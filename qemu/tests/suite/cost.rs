// SPDX-License-Identifier: MIT
//! What a dump costs the processor: instruction counts, which repeat, unlike seconds.

use anyhow::{Context, Result, ensure};

use harness::bench::{Baseline, Stage, WAYS, costs};
use harness::paths::Paths;

use crate::bed;

/// Instructions for each MiB that the kernel engine may cost, everything counted.
const KERNEL_MOST: f64 = 4_000.0;
/// How many times that direct I/O from ordinary memory costs at least.
const ORDINARY_LEAST: f64 = 50.0;

/// Runs in a machine of its own, in which a guest instruction is a nanosecond.
pub fn a_dump_is_as_cheap_as_it_was() -> Result<()> {
    let paths = Paths::discover()?;
    let board = bed::board(&paths)?;
    let image = bed::image(&paths, &board, "lab")?;
    let stage = Stage {
        icount: true,
        ..Stage::new(&paths, &board, &image)
    };
    let costs = stage.run("suite/cost", |guest, size| costs(guest, size, &WAYS))?;
    let of = |way: &str| -> Result<f64> {
        Ok(costs.get(way).with_context(|| format!("no {way}"))?.per_mib)
    };
    let (kernel, anon) = (of("kernel")?, of("anon")?);
    ensure!(
        kernel <= KERNEL_MOST,
        "the kernel engine costs {kernel:.0} instructions per MiB, more than {KERNEL_MOST}"
    );
    ensure!(
        anon >= ORDINARY_LEAST * kernel.max(1.0),
        "direct I/O from ordinary memory costs {anon:.0}, not {ORDINARY_LEAST} times {kernel:.0}"
    );
    Baseline::load(&paths.root)?.check(&costs)
}
