// SPDX-License-Identifier: MIT
//! `make bench`: what a dump costs the processor, and how fast it is beside the other ways.
//!
//! Two kinds of figures, from two boots of the lab image: instructions, which repeat, and throughput,
//! of which only ratios within the boot mean anything.

mod cost;
mod report;
mod throughput;

use std::fs;

use anyhow::{Result, bail};

use crate::board::Board;
use crate::devicetree;
use crate::disk::Disk;
use crate::guest::{Guest, TAINT_OUT_OF_TREE};
use crate::image::Image;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::run::fill_with_random;

pub use cost::{Cost, costs};
pub use report::Report;

/// The region that is dumped.
pub(crate) const LABEL: &str = "capture";
/// Where the ordinary memory is that a user-space program would write from: a file on tmpfs, whose
/// pages are pinned by direct I/O as those of an anonymous buffer are.
pub(crate) const ORDINARY: &str = "/tmp/ordinary";

/// Runs the benchmark and leaves its report in `out/bench`.
pub fn bench(paths: &Paths, board: &Board, image: &Image) -> Result<()> {
    let costs = in_guest(paths, board, image, "bench/cost", true, costs)?;
    let rates = in_guest(
        paths,
        board,
        image,
        "bench/throughput",
        false,
        throughput::rates,
    )?;
    let report = Report::new(&costs, &rates, image)?;
    let folder = paths.out.join("bench");
    fs::write(
        folder.join("report.json"),
        serde_json::to_string_pretty(&report)? + "\n",
    )?;
    let text = report.markdown();
    fs::write(folder.join("report.md"), &text)?;
    println!("{text}\nreport: {}", folder.join("report.json").display());
    Ok(())
}

/// Boots a machine with an empty disk and a copy of the region in ordinary memory, and measures in
/// it. `icount` makes a guest instruction a nanosecond of guest time.
pub fn in_guest<T>(
    paths: &Paths,
    board: &Board,
    image: &Image,
    name: &str,
    icount: bool,
    measure: impl FnOnce(&mut Guest, u64) -> Result<T>,
) -> Result<T> {
    let folder = paths.fresh_out(name)?;
    let tree = Machine::new(board, image, &folder).device_tree()?;
    let (base, size) = devicetree::reserved_region(&tree, LABEL)?;
    let data = folder.join("capture.bin");
    fill_with_random(&data, size)?;
    let mut machine = Machine::new(board, image, &folder);
    machine.tools = true;
    machine.icount = icount;
    machine.disks = vec![Disk::empty(&folder.join("raw.img"), 2 * size)?.unflushed()];
    machine.loads = vec![(data, base)];
    let mut guest = machine.start()?;
    let result = guest
        .wait_for_shell()
        .and_then(|_| guest.check(&format!("cat /dev/resmem/{LABEL} > {ORDINARY}")))
        .and_then(|_| measure(&mut guest, size))
        .and_then(|value| guest.check_health(TAINT_OUT_OF_TREE).map(|()| value));
    match result {
        Ok(value) => {
            guest.power_off()?;
            Ok(value)
        }
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}
