// SPDX-License-Identifier: MIT
//! The long run's report: what was done, and whether the kernel holds more at the end than at the
//! beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use super::figures::Figures;
use super::round::Done;

/// Caches named in the report: those that grew most.
const NAMED: usize = 8;

/// A figure at the beginning and at the end, each the median of a tenth of the samples, and by how
/// much it may change for the worse.
#[derive(Clone, Debug, Serialize)]
struct Drift {
    figure: &'static str,
    first: f64,
    last: f64,
    /// Largest value of `last`, or least where less is worse.
    bound: f64,
    ok: bool,
}

/// The content of `dumps.json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    minutes: f64,
    passed: bool,
    done: Done,
    drifts: Vec<Drift>,
    /// Owners of memory, and by how many KiB what they have changed.
    owners: Vec<(String, i64)>,
    /// Caches, and by how many bytes they grew.
    grown: Vec<(String, i64)>,
    samples: Vec<Figures>,
}

impl Report {
    pub fn new(length: Duration, done: Done, samples: Vec<Figures>) -> Self {
        let drifts = drifts(&samples);
        Self {
            schema: 1,
            minutes: length.as_secs_f64() / 60.0,
            passed: drifts.iter().all(|drift| drift.ok),
            done,
            drifts,
            owners: changes(&samples, |at| &at.owners),
            grown: grown(&samples),
            samples,
        }
    }

    pub fn passed(&self) -> bool {
        self.passed
    }

    /// The report for people.
    pub fn markdown(&self) -> String {
        let done = &self.done;
        let mut drifts = table(&["figure", "first tenth", "last tenth", "bound", ""]);
        for drift in &self.drifts {
            drifts.add_row([
                drift.figure.to_owned(),
                number(drift.first),
                number(drift.last),
                number(drift.bound),
                if drift.ok { "ok" } else { "BROKEN" }.to_owned(),
            ]);
        }
        let mut dumps = table(&["dumps", ""]);
        for (way, count) in &done.dumps {
            dumps.add_row([way.clone(), count.to_string()]);
        }
        let mut owners = table(&["owner of memory", "KiB more"]);
        for (owner, kib) in &self.owners {
            owners.add_row([owner.clone(), kib.to_string()]);
        }
        let mut grown = table(&["cache", "bytes more"]);
        for (cache, bytes) in &self.grown {
            grown.add_row([cache.clone(), bytes.to_string()]);
        }
        format!(
            "# Long run: dumps under pressure\n\n{:.1} minutes, {} rounds, {} bytes dumped; {} dumps \
             compared on the host, {} in the guest; {} loads, {} snapshots.\n\
             Meanwhile {} MiB of memory were taken from them, and {} MiB written and found again next to \
             them.\n\
             The kernel log was clean after each round: no warning, lock debugging on to the \
             end, no misuse of DMA, no unreferenced memory in {} searches.\n\n\
             {drifts}\n\n{dumps}\n\nOwners of memory, from the first sample to the last:\n\n{owners}\n\nCaches that grew \
             most:\n\n{grown}\n",
            self.minutes,
            done.rounds,
            done.bytes,
            done.compared,
            done.verified,
            done.loads,
            done.snapshots,
            done.taken >> 20,
            done.moved >> 20,
            done.searches,
        )
    }
}

fn drifts(samples: &[Figures]) -> Vec<Drift> {
    let drift = |figure, value: fn(&Figures) -> f64, bound: fn(f64) -> f64| {
        let (first, last) = tenths(samples, value);
        let bound = bound(first);
        // Where less is worse the bound is below.
        let ok = if bound < first {
            last >= bound
        } else {
            last <= bound
        };
        Drift {
            figure,
            first,
            last,
            bound,
            ok,
        }
    };
    vec![
        drift(
            "KiB that are free or have an owner",
            |at| at.known() as f64,
            |first| first - 2048.0,
        ),
        drift(
            "bytes in slabs",
            |at| at.slab as f64,
            |first| first + 1_048_576.0,
        ),
        drift("open files", |at| at.files as f64, |first| first + 32.0),
        drift("pinned pages", |at| at.pinned as f64, |first| first),
        drift(
            "a small dump, in direct writes of as much",
            |at| at.latency / at.copy,
            |first| first * 1.5,
        ),
    ]
}

/// Medians of the first and the last tenth.
fn tenths(samples: &[Figures], value: fn(&Figures) -> f64) -> (f64, f64) {
    let count = samples.len().div_ceil(10);
    let median = |part: &[Figures]| {
        let mut values: Vec<f64> = part.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    (
        median(&samples[..count]),
        median(&samples[samples.len() - count..]),
    )
}

/// From the first sample to the last: what changed, the largest increase first.
fn changes(
    samples: &[Figures],
    what: fn(&Figures) -> &BTreeMap<String, u64>,
) -> Vec<(String, i64)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Vec::new();
    };
    let before = |name: &String| what(first).get(name).copied().unwrap_or(0) as i64;
    let mut changes: Vec<(String, i64)> = what(last)
        .iter()
        .map(|(name, now)| (name.clone(), *now as i64 - before(name)))
        .filter(|(_, change)| *change != 0)
        .collect();
    changes.sort_by_key(|(_, change)| -change);
    changes
}

fn grown(samples: &[Figures]) -> Vec<(String, i64)> {
    let mut grown = changes(samples, |at| &at.caches);
    grown.retain(|(_, bytes)| *bytes > 0);
    grown.truncate(NAMED);
    grown
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(head);
    table
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(change: impl Fn(u64, &mut Figures)) -> Vec<Figures> {
        let sample = |at| {
            let mut figures = Figures {
                owners: BTreeMap::from([("free".to_owned(), 400_000)]),
                files: 90,
                slab: 20 << 20,
                latency: 10.0,
                copy: 5.0,
                ..Figures::default()
            };
            change(at, &mut figures);
            figures
        };
        (0..20).map(sample).collect()
    }

    fn broken(change: impl Fn(u64, &mut Figures)) -> Vec<&'static str> {
        let drifts = drifts(&samples(change));
        let broken = drifts.iter().filter(|drift| !drift.ok);
        broken.map(|drift| drift.figure).collect()
    }

    #[test]
    fn what_stays_is_no_drift() {
        assert!(broken(|at, figures| figures.latency += (at % 3) as f64).is_empty());
    }

    #[test]
    fn each_leak_breaks_its_bound() {
        assert_eq!(
            broken(|at, it| *it.owners.get_mut("free").unwrap() -= 200 * at),
            ["KiB that are free or have an owner"]
        );
        assert_eq!(broken(|at, it| it.slab += 100_000 * at), ["bytes in slabs"]);
        assert_eq!(broken(|at, it| it.files += 3 * at), ["open files"]);
        assert_eq!(broken(|at, it| it.pinned += at as i64), ["pinned pages"]);
        assert_eq!(
            broken(|at, it| it.latency += at as f64),
            ["a small dump, in direct writes of as much"]
        );
    }

    #[test]
    fn a_busy_host_breaks_nothing() {
        let slower = |at: u64, it: &mut Figures| {
            it.latency *= at as f64 + 1.0;
            it.copy *= at as f64 + 1.0;
        };
        assert!(broken(slower).is_empty());
    }

    #[test]
    fn a_sample_out_of_line_breaks_nothing() {
        assert!(broken(|at, it| it.latency += if at == 5 { 90.0 } else { 0.0 }).is_empty());
    }
}
