// SPDX-License-Identifier: MIT
//! `make bench`: what a dump costs the processor, and how fast it is next to other methods.
//!
//! Two kinds of figures, from several boots of the lab image: instructions, which repeat, and
//! throughput, of which only ratios within the boot mean anything.

mod baseline;
mod boot;
mod cost;
mod growth;
mod options;
mod paper;
mod plot;
mod recording;
mod report;
mod stage;
mod throttled;
mod throughput;
mod whole;

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;

use board::Board;
use board::Image;
use host::paths::Paths;

pub use baseline::Baseline;
pub use cost::{Cost, Way, costs, metered};
pub use plot::grouped;
pub use recording::recording;
pub use report::Report;
pub use stage::Stage;

/// The region that is dumped.
pub(crate) const LABEL: &str = "capture";
/// Where the ordinary memory is that a user-space program would write from: a file on tmpfs, whose
/// pages are pinned by direct I/O as those of an anonymous buffer are.
pub(crate) const ORDINARY: &str = "/tmp/ordinary";

/// What each way costs, from two boots whose files are in `out/<name>`.
pub fn all_costs(
    paths: &Paths,
    board: &Board,
    image: &Image,
    name: &str,
) -> Result<BTreeMap<String, Cost>> {
    let stage = || Stage {
        icount: true,
        ..Stage::new(paths, board, image)
    };
    let mut all = stage().run(name, |guest, size| costs(guest, size, &cost::WAYS))?;
    let cheap = Stage {
        size: Some(cost::CHEAP_BYTES),
        forgets: true,
        ..stage()
    };
    let name = format!("{name}-cheap");
    all.extend(cheap.run(&name, |guest, size| costs(guest, size, &cost::CHEAP))?);
    Ok(all)
}

/// Runs the benchmark and leaves its report in `out/bench`.
pub fn bench(paths: &Paths, board: &Board, image: &Image) -> Result<()> {
    let stage = || Stage::new(paths, board, image);
    let counting = || Stage {
        icount: true,
        ..stage()
    };
    println!("==> bench: cost of each way");
    let costs = all_costs(paths, board, image, "bench/cost")?;
    println!("==> bench: recording");
    let recorded = recording(paths, board, image, "bench/recording")?;
    println!("==> bench: start to end");
    let mut whole = Stage {
        file_system: true,
        ..counting()
    }
    .run("bench/whole", whole::whole)?;
    let large = Stage {
        file_system: true,
        forgets: true,
        size: Some(growth::LARGEST),
        ..counting()
    }
    .run("bench/whole-large", whole::whole)?;
    whole.extend(large.into_iter().filter(|one| one.bytes == growth::LARGEST));
    println!("==> bench: options, small dumps");
    let (options, small) = counting().run("bench/options", |guest, _| {
        Ok((options::options(guest)?, options::small(guest)?))
    })?;
    println!("==> bench: boot");
    let boot = Stage {
        append: boot::COMMAND_LINE,
        ..counting()
    }
    .run("bench/boot", boot::boot)?;
    println!("==> bench: growth with the region's size");
    let growth = Stage {
        size: Some(growth::LARGEST),
        ..counting()
    }
    .run("bench/growth", growth::growth)?;
    println!("==> bench: a slow disk");
    let throttled = Stage {
        size: Some(throttled::SIZE),
        rate: Some(throttled::LIMIT),
        ..stage()
    }
    .run("bench/throttled", throttled::throttled)?;
    println!("==> bench: throughput");
    let rates = stage().run("bench/throughput", throughput::rates)?;

    let report = Report::new(
        [costs, recorded],
        (whole, options, small),
        growth,
        boot,
        throttled,
        rates,
        image,
    )?;
    let folder = paths.out.join("bench");
    fs::write(
        folder.join("report.json"),
        serde_json::to_string_pretty(&report)? + "\n",
    )?;
    plot::all(&report, &folder)?;
    let text = report.markdown();
    fs::write(folder.join("report.md"), &text)?;
    println!("{text}\nreport: {}", folder.join("report.json").display());
    Ok(())
}
