// SPDX-License-Identifier: MIT
//! The benchmark's report: `out/bench/report.json` and a readable one beside it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use super::cost::Cost;
use super::throughput::Rate;
use crate::image::Image;

/// The content of `report.json`; `schema` grows with every change.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: u32,
    /// Ratios of medians within one boot, each way at its best chunk and depth.
    throughput_ratio: BTreeMap<String, f64>,
    /// Guest instructions for each MiB, everything counted.
    insn_per_mib: BTreeMap<String, f64>,
    cost: BTreeMap<String, Cost>,
    throughput: BTreeMap<String, Rate>,
    /// Sizes of the image's parts in bytes.
    bytes: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn new(
        costs: &BTreeMap<String, Cost>,
        rates: &BTreeMap<String, Rate>,
        image: &Image,
    ) -> Result<Self> {
        let kernel = rates.get("kernel").map_or(f64::NAN, |rate| rate.median);
        let ratio = |other: &str| {
            rates
                .get(other)
                .map_or(f64::NAN, |rate| kernel / rate.median)
        };
        let bytes = ["uImage", "rootfs.cpio", "resmem.ko", "resdump"]
            .into_iter()
            .map(|name| Ok((name.to_owned(), fs::metadata(image.file(name))?.len())))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema: 1,
            throughput_ratio: ["anon", "mmap", "dd_direct", "devmem"]
                .map(|other| (format!("kernel_vs_{other}"), ratio(other)))
                .into(),
            insn_per_mib: costs
                .iter()
                .map(|(name, cost)| (name.clone(), cost.per_mib))
                .collect(),
            cost: costs.clone(),
            throughput: rates.clone(),
            bytes,
        })
    }

    /// The report for people.
    pub(super) fn markdown(&self) -> String {
        let mut costs = Table::new();
        costs
            .load_preset(ASCII_MARKDOWN)
            .set_header(["way", "instructions per MiB", "fixed"]);
        for (name, cost) in &self.cost {
            costs.add_row([
                name.clone(),
                format!("{:.0}", cost.per_mib),
                format!("{:.0}", cost.fixed),
            ]);
        }
        let mut rates = Table::new();
        rates
            .load_preset(ASCII_MARKDOWN)
            .set_header(["way", "MB/s", "min", "max", "chunk", "depth"]);
        for (name, rate) in &self.throughput {
            rates.add_row([
                name.clone(),
                format!("{:.0}", rate.median),
                format!("{:.0}", rate.min),
                format!("{:.0}", rate.max),
                rate.chunk.to_string(),
                rate.depth.to_string(),
            ]);
        }
        let ratios: Vec<String> = self
            .throughput_ratio
            .iter()
            .map(|(name, ratio)| format!("- {name}: {ratio:.1}"))
            .collect();
        format!(
            "# Benchmark\n\n## Cost, in guest instructions (repeats)\n\n{costs}\n\n\
             ## Throughput within one boot (only ratios mean anything)\n\n{rates}\n\n{}\n",
            ratios.join("\n")
        )
    }
}
