// SPDX-License-Identifier: MIT

//! What a benchmark has found, as a table and as JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::{
    Args, Way,
    measure::{Bench, Sample},
};
use crate::{
    console,
    error::{ErrnoText, Error},
    output::{Kind, Queue},
    size,
    source::Source,
    span::Span,
    text,
};

/// The JSON object.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    region: String,
    base: Option<u64>,
    /// Bytes that were written each time.
    length: u64,
    target: String,
    target_kind: Kind,
    /// How much its disk takes in a request.
    queue: Option<Queue>,
    rounds: u32,
    ways: Vec<Found>,
    refused: Vec<Refused>,
    /// Of medians, each way at its best.
    ratios: BTreeMap<String, f64>,
}

/// A way with one setting.
#[derive(Debug, Serialize)]
struct Found {
    way: &'static str,
    chunk: u32,
    depth: u32,
    /// 10^6 bytes a second, everything durable.
    mb_per_s: Spread,
    /// CPU time of the process for each MiB, in microseconds.
    cpu_us_per_mib: Spread,
    /// CPU time of the whole machine for each MiB, in microseconds: over all rounds, because it is
    /// counted in ticks.
    machine_us_per_mib: Option<f64>,
    /// Bytes of a round that went by DMA.
    direct: u64,
    /// Bytes of a round that the CPU copied.
    copied: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            median: if values.len().is_multiple_of(2) && middle > 0 {
                f64::midpoint(at(middle - 1), at(middle))
            } else {
                at(middle)
            },
            min: at(0),
            max: at(values.len().saturating_sub(1)),
        }
    }
}

/// A way that does not work here.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    way: &'static str,
    errno: String,
    errno_number: i32,
    detail: String,
    #[serde(skip)]
    pub(super) line: String,
}

impl Refused {
    pub(super) fn new(way: &'static str, error: &Error) -> Self {
        Self {
            way,
            errno: format!("{:?}", error.errno),
            errno_number: error.errno as i32,
            detail: error.advice.clone(),
            line: format!("{way}: {}: {}", ErrnoText(error.errno), error.advice),
        }
    }
}

impl Report {
    pub(super) fn new(args: &Args, source: &dyn Source, bench: &Bench<'_>) -> Self {
        Self {
            region: source.name().into(),
            base: source.base(),
            length: bench.span.length,
            target: text::name(args.target()),
            target_kind: bench.direct.kind(),
            queue: Queue::of(args.target()),
            rounds: args.rounds,
            ways: Vec::new(),
            refused: Vec::new(),
            ratios: BTreeMap::new(),
        }
    }

    /// A way that does not work: once, whatever the setting.
    pub(super) fn refused(&mut self, refused: Refused) {
        if self.refused.iter().all(|known| known.way != refused.way) {
            self.refused.push(refused);
        }
    }

    /// Results of an engine in all rounds.
    pub(super) fn add(&mut self, way: &Way, samples: &[Sample], span: Span) {
        let bytes = span.length as f64;
        let mib = bytes / f64::from(1 << 20);
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return;
        };
        let machine: Option<f64> = samples.iter().map(|sample| sample.machine).sum();
        self.ways.push(Found {
            way: way.name,
            chunk: way.settings.chunk,
            depth: way.settings.depth,
            mb_per_s: Spread::of(samples.iter().map(|sample| bytes / 1e6 / sample.seconds)),
            cpu_us_per_mib: Spread::of(samples.iter().map(|sample| sample.process * 1e6 / mib)),
            machine_us_per_mib: machine.map(|all| all * 1e6 / mib / samples.len() as f64),
            direct: first.direct.min(last.direct),
            copied: first.copied.max(last.copied),
        });
        self.ratios = self.ratios();
    }

    /// Each way at the setting with the highest median, in the order of measuring.
    fn best(&self) -> Vec<&Found> {
        let mut best: Vec<&Found> = Vec::new();
        for found in &self.ways {
            match best.iter_mut().find(|known| known.way == found.way) {
                Some(known) if known.mb_per_s.median >= found.mb_per_s.median => {}
                Some(known) => *known = found,
                None => best.push(found),
            }
        }
        best
    }

    fn ratios(&self) -> BTreeMap<String, f64> {
        let best = self.best();
        let Some((first, others)) = best.split_first() else {
            return BTreeMap::new();
        };
        others
            .iter()
            .map(|other| {
                let ratio = first.mb_per_s.median / other.mb_per_s.median;
                (format!("{}_vs_{}", first.way, other.way), ratio)
            })
            .collect()
    }

    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<[String; 8]> = self
            .best()
            .into_iter()
            .map(|found| {
                let rate = found.mb_per_s;
                [
                    found.way.into(),
                    size::display(found.chunk.into()),
                    found.depth.to_string(),
                    format!("{:.1}", rate.median),
                    format!("{:.1}", rate.min),
                    format!("{:.1}", rate.max),
                    format!("{:.1}", found.cpu_us_per_mib.median),
                    found
                        .machine_us_per_mib
                        .map_or("-".into(), |all| format!("{all:.1}")),
                ]
            })
            .collect();
        let heads = [
            "WAY",
            "CHUNK",
            "DEPTH",
            "MB/s",
            "LEAST",
            "MOST",
            "CPU us/MiB",
            "ALL us/MiB",
        ];
        console::columns(&heads, &rows, out)?;
        for (name, ratio) in &self.ratios {
            writeln!(out, "{}: {ratio:.1} x", name.replace("_vs_", " / "))?;
        }
        if let Some(queue) = &self.queue {
            writeln!(out, "requests to {}: {}", queue.disk, queue.describe())?;
        }
        for refused in &self.refused {
            writeln!(out, "not measured: {}", refused.line)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_has_its_least_and_its_greatest() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let odd = spread(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(spread(&[5.0]).median, 5.0);
    }
}
