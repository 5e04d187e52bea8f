// SPDX-License-Identifier: MIT
//! The benchmark's report: `out/bench/report.json` and a readable one next to it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use super::boot::Boot;
use super::cost::Cost;
use super::growth::Growth;
use super::options::Small;
use super::paper::milliseconds;
use super::throttled::Throttled;
use super::throughput::{Rate, Rates, best};
use super::whole::Whole;
use board::Image;

/// The content of `report.json`; `schema` grows with every change. `docs/results/benchmark.md` has what
/// each field means.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: u32,
    /// Ratios of medians within one boot, each way at its best chunk and depth.
    throughput_ratio: BTreeMap<String, f64>,
    /// Guest instructions for each MiB of the board's region, everything counted.
    insn_per_mib: BTreeMap<String, f64>,
    /// The slow disk.
    throttled: Throttled,
    /// Instructions from power-on.
    boot: Boot,
    pub(super) cost: BTreeMap<String, Cost>,
    /// A recording by each way, and by those that other programs have.
    recording: BTreeMap<String, Cost>,
    /// Programs from start to end.
    whole: Vec<Whole>,
    /// Instructions for each MiB that an option adds.
    options: BTreeMap<String, f64>,
    /// Small dumps by the kernel engine and by copying.
    small: Vec<Small>,
    pub(super) growth: BTreeMap<String, Growth>,
    /// Medians with least and greatest, by way, for each chunk and depth.
    pub(super) throughput: Rates,
    /// Sizes of the image's parts in bytes.
    bytes: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn new(
        [cost, recording]: [BTreeMap<String, Cost>; 2],
        (whole, options, small): (Vec<Whole>, BTreeMap<String, f64>, Vec<Small>),
        growth: BTreeMap<String, Growth>,
        boot: Boot,
        throttled: Throttled,
        throughput: Rates,
        image: &Image,
    ) -> Result<Self> {
        let median = |way: &str| {
            let rates = throughput.get(way).map_or(&[][..], Vec::as_slice);
            best(rates).map_or(f64::NAN, |rate| rate.median)
        };
        let bytes = ["uImage", "rootfs.cpio", "resmem.ko", "resdump"]
            .into_iter()
            .map(|name| Ok((name.to_owned(), fs::metadata(image.file(name))?.len())))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema: 5,
            throughput_ratio: ["anon", "mmap", "mapped", "dd_direct", "devmem"]
                .map(|other| {
                    (
                        format!("kernel_vs_{other}"),
                        median("kernel") / median(other),
                    )
                })
                .into(),
            insn_per_mib: cost
                .iter()
                .map(|(name, cost)| (name.clone(), cost.per_mib))
                .collect(),
            throttled,
            boot,
            cost,
            recording,
            whole,
            options,
            small,
            growth,
            throughput,
            bytes,
        })
    }

    /// The report for people.
    pub(super) fn markdown(&self) -> String {
        let per_mib = |costs: &BTreeMap<String, Cost>| {
            table(
                &["way", "instructions per MiB", "fixed"],
                costs.iter().map(|(name, cost)| {
                    vec![
                        name.clone(),
                        format!("{:.0}", cost.per_mib),
                        format!("{:.0}", cost.fixed),
                    ]
                }),
            )
        };
        let (costs, recorded) = (per_mib(&self.cost), per_mib(&self.recording));
        // One request, and all that a process costs: no dump can do with less.
        let floor = |target: &str| {
            let least = self.whole.iter().filter(|one| one.target == target);
            let least = least.min_by_key(|one| one.bytes);
            least.map_or(f64::NAN, |one| one.instructions)
        };
        let whole = table(
            &[
                "program",
                "target",
                "bytes",
                "million instructions",
                "times one request",
            ],
            self.whole.iter().map(|one| {
                vec![
                    one.program.clone(),
                    one.target.to_owned(),
                    size(one.bytes),
                    format!("{:.2}", one.instructions / 1e6),
                    format!("{:.2}", one.instructions / floor(one.target)),
                ]
            }),
        );
        let options = table(
            &["option", "instructions per MiB", "per byte"],
            self.options.iter().map(|(name, added)| {
                vec![
                    name.clone(),
                    format!("{added:.0}"),
                    format!("{:.1}", added / f64::from(1 << 20)),
                ]
            }),
        );
        let small = table(
            &[
                "bytes",
                "kernel, million",
                "copying, million",
                "kernel, ms",
                "copying, ms",
            ],
            self.small.iter().map(|one| {
                let million = |count: f64| format!("{:.3}", count / 1e6);
                let paper = |count| format!("{:.1}", milliseconds(count));
                vec![
                    size(one.bytes),
                    million(one.kernel),
                    million(one.read),
                    paper(one.kernel),
                    paper(one.read),
                ]
            }),
        );
        let growth = table(
            &["way", "from", "to", "exponent", "per MiB at the largest"],
            self.growth.iter().map(|(name, growth)| {
                let largest = growth.points.last().map_or(0, |point| point.0);
                vec![
                    name.clone(),
                    size(growth.from),
                    size(largest),
                    format!("{:.3}", growth.exponent),
                    format!("{:.0}", growth.per_mib),
                ]
            }),
        );
        let row = |name: &str, rate: &Rate| {
            vec![
                name.to_owned(),
                format!("{:.0}", rate.median),
                format!("{:.0}", rate.min),
                format!("{:.0}", rate.max),
                size(rate.chunk.into()),
                rate.depth.to_string(),
            ]
        };
        let head = ["way", "MB/s", "min", "max", "chunk", "depth"];
        let at_best = table(
            &head,
            self.throughput
                .iter()
                .filter_map(|(name, rates)| Some(row(name, best(rates)?))),
        );
        let every = table(
            &head,
            self.throughput
                .iter()
                .flat_map(|(name, rates)| rates.iter().map(|rate| row(name, rate))),
        );
        let ratios: Vec<String> = self
            .throughput_ratio
            .iter()
            .map(|(name, ratio)| format!("- {name}: {ratio:.1}"))
            .collect();
        let slow = &self.throttled;
        let held: Vec<String> = slow
            .held
            .iter()
            .map(|(length, held)| format!("{} for a dump of {}", size(*held), size(*length)))
            .collect();
        let sizes = table(
            &["file", "bytes"],
            self.bytes
                .iter()
                .map(|(name, bytes)| vec![name.clone(), bytes.to_string()]),
        );
        format!(
            "# Benchmark\n\n## Cost, in guest instructions (repeats)\n\n{costs}\n\n\
             A recording into ext4, segments and index included:\n\n{recorded}\n\n\
             Start to end, against a dump of one page to the same target:\n\n{whole}\n\n\
             What options add, 16 MiB to the raw disk:\n\n{options}\n\n\
             Small dumps to the raw disk; milliseconds of a 440 at 400 MHz with two cycles an instruction:\n\n{small}\n\n\
             Growth with the region's size:\n\n{growth}\n\n\
             Power-on to prompt: {:.0} million instructions; from there to the end of the first dump: \
             {:.1} million.\n\n\
             ## Throughput within one boot (only ratios mean anything)\n\n\
             Each way at its best:\n\n{at_best}\n\n{}\n\n\
             ## A disk that takes {:.0} MB/s\n\n\
             Kernel engine, chunk {}, depth {}: {:.1} % of the limit, processor idle {:.1} %.\n\
             Memory held by the kernel at depth 32: {}.\n\n\
             ## Sizes\n\n{sizes}\n\n## Every chunk and depth\n\n{every}\n",
            self.boot.prompt as f64 / 1e6,
            self.boot.dump as f64 / 1e6,
            ratios.join("\n"),
            slow.limit as f64 / 1e6,
            size(slow.chunk.into()),
            slow.depth,
            slow.fraction_of_limit * 100.0,
            slow.cpu_idle * 100.0,
            held.join(", "),
        )
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(head);
    table.add_rows(rows);
    table
}

/// `65536` -> `64 KiB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}
