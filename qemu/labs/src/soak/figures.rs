// SPDX-License-Identifier: MIT
//! What the kernel holds when nothing runs, and how long a small dump takes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use super::round::Done;
use machine::guest::Guest;

/// Small dumps, of which the median counts.
const REPEAT: usize = 15;
/// As much as a small dump, by the kernel's own direct write; its seconds.
const COPY: &str = "dd if=/dev/zero of=/dev/vda bs=1M count=1 oflag=direct 2>&1 | \
                    sed -n 's/.* copied, \\(.*\\) seconds.*/\\1/p'";
/// Pages by what has them, in `/proc/vmstat`. What the module or a driver has is in none of these, and vmalloc
/// space is not either, so that a leak there is seen.
const PAGES: [&str; 11] = [
    "nr_slab_reclaimable",
    "nr_slab_unreclaimable",
    "nr_inactive_anon",
    "nr_active_anon",
    "nr_inactive_file",
    "nr_active_file",
    "nr_unevictable",
    "nr_isolated_anon",
    "nr_isolated_file",
    "nr_page_table_pages",
    "nr_free_pages",
];
/// The kernel's store of stack traces, which keeps each that is new (`lib/stackdepot.c`): the line that reports its
/// pools, and the pages of one.
const DEPOT: (&str, &str, u64) = ("/sys/kernel/debug/stackdepot/stats", "pools:", 4);
/// A sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Since the start.
    pub minutes: f64,
    /// KiB that are free or whose owner the kernel names, by owner.
    pub owners: BTreeMap<String, u64>,
    /// Open files.
    pub files: u64,
    /// Pages that are pinned.
    pub pinned: i64,
    /// Bytes of objects in all slab caches.
    pub slab: u64,
    /// Median of the small dumps, in milliseconds.
    pub latency: f64,
    /// Median of direct writes of as many bytes in between. How busy the host is shows in both.
    pub copy: f64,
    /// Bytes of objects by cache.
    #[serde(skip)]
    pub caches: BTreeMap<String, u64>,
}

impl Figures {
    /// KiB that are free or have an owner.
    pub fn known(&self) -> u64 {
        self.owners.values().sum()
    }

    /// For progress.
    pub fn line(&self, done: &Done) -> String {
        format!(
            "{:5.1} min: round {}, known {} KiB, slab {} KiB, files {}, pinned {}, small dump {:.1} ms, copy {:.1} ms",
            self.minutes,
            done.rounds,
            self.known(),
            self.slab >> 10,
            self.files,
            self.pinned,
            self.latency,
            self.copy
        )
    }
}

/// Takes a sample; a page has `page` KiB.
pub(super) fn figures(guest: &mut Guest, page: u64, since: Duration) -> Result<Figures> {
    let (latency, copy) = latency(guest)?;
    let mut figures = parse(&guest.check_within(&look(), 300)?, page)?;
    figures.minutes = since.as_secs_f64() / 60.0;
    (figures.latency, figures.copy) = (latency, copy);
    Ok(figures)
}

/// The same dump and the same copy in turn, some times: the median of either, in milliseconds.
fn latency(guest: &mut Guest) -> Result<(f64, f64)> {
    let text = guest.check_within(
        &format!(
            "i=0; while test $i -lt {REPEAT}; do i=$((i+1)); resdump dump capture /dev/vda --length 1M --engine kernel \
             --force --quiet --json && {COPY} || break; done"
        ),
        300,
    )?;
    let answers = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<Vec<Value>, _>>()?;
    let dumps: Vec<f64> = answers
        .iter()
        .filter_map(|at| at["seconds"].as_f64())
        .collect();
    let copies: Vec<f64> = answers.iter().filter_map(Value::as_f64).collect();
    ensure!([dumps.len(), copies.len()] == [REPEAT; 2], "{text}");
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[REPEAT / 2] * 1e3
    };
    Ok((median(dumps), median(copies)))
}

/// What others have put into caches goes; what counters have by processor is summed up. Pages that are free
/// are also in lists by processor.
fn look() -> String {
    format!(
        "sync; echo 3 >/proc/sys/vm/drop_caches; r=/proc/sys/vm/stat_refresh; test ! -e $r || echo 1 >$r; \
         cat /proc/sys/fs/file-nr; grep -E '^({}|nr_foll_pin_.*) ' /proc/vmstat; \
         grep -E '^ +count:' /proc/zoneinfo; d={}; test ! -e $d || grep '^{}' $d; \
         cat /proc/slabinfo",
        PAGES.join("|"),
        DEPOT.0,
        DEPOT.1,
    )
}

fn parse(text: &str, page: u64) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut own =
        |owner: &str, kib: u64| *figures.owners.entry(owner.to_owned()).or_default() += kib;
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // file-nr: allocated, of which free, and the most.
            [files, _, _] if number == 0 => figures.files = files.parse()?,
            [name, pages] if PAGES.contains(&name) => own(name, pages.parse::<u64>()? * page),
            ["count:", pages] => own("free, by processor", pages.parse::<u64>()? * page),
            [name, pools] if name == DEPOT.1 => {
                own("stack traces", pools.parse::<u64>()? * DEPOT.2 * page)
            }
            ["nr_foll_pin_acquired", pages] => figures.pinned += pages.parse::<i64>()?,
            ["nr_foll_pin_released", pages] => figures.pinned -= pages.parse::<i64>()?,
            [cache, active, _, size, _, _, ":", "tunables", ..] => {
                let bytes = active.parse::<u64>()? * size.parse::<u64>()?;
                figures.slab += bytes;
                *figures.caches.entry(cache.to_owned()).or_default() += bytes;
            }
            ["slabinfo", ..] | ["#", ..] => {}
            _ => bail!("{line:?} in {text}"),
        }
    }
    ensure!(figures.known() > 0 && figures.slab > 0, "{text}");
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "96\t0\t34567\n\
        nr_free_pages 70000\nnr_slab_unreclaimable 900\n\
        nr_active_file 80\nnr_foll_pin_acquired 40\nnr_foll_pin_released 38\n\
              count:    7\n              count:    13\n\
        pools: 25\n\
        slabinfo - version: 2.1\n\
        # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>\n\
        biovec-max 4 10 3072 10 8 : tunables 0 0 0 : slabdata 1 1 0\n\
        kmalloc-64 100 128 64 32 1 : tunables 0 0 0 : slabdata 4 4 0\n";

    #[test]
    fn a_sample_is_read() {
        let figures = parse(TEXT, 4).unwrap();
        assert_eq!((figures.files, figures.known()), (96, 4 * 71100));
        assert_eq!((figures.pinned, figures.slab), (2, 4 * 3072 + 6400));
        assert_eq!(figures.caches["kmalloc-64"], 6400);
    }

    #[test]
    fn a_line_that_is_not_known_is_an_error() {
        assert!(parse(&format!("{TEXT}cat: no such file\n"), 4).is_err());
        assert!(parse("", 4).is_err());
    }
}
