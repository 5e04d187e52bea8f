// SPDX-License-Identifier: MIT
//! Results of all cuts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::Options;
use super::examine::{Found, Subject, Verdict};
use super::plan::{Kind, Plan};
use super::state::Fate;

/// What was found after the cuts of one kind of dump.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Cuts, each a SIGKILL for QEMU.
    pub cuts: usize,
    /// Those that came when the dump had ended.
    pub after_the_end: usize,
    /// Disk states.
    pub states: usize,
    /// States by what was found.
    pub found: BTreeMap<Found, usize>,
}

impl Row {
    fn found(&self, what: Found) -> usize {
        self.found.get(&what).copied().unwrap_or(0)
    }
}

/// A cut.
#[derive(Clone, Debug, Serialize)]
pub struct Power {
    /// What was to be done, and until when.
    #[serde(flatten)]
    plan: Plan,
    /// The dump's command.
    command: String,
    /// Whether the dump had ended.
    after_the_end: bool,
    /// Writes until then.
    writes: usize,
    /// Flushes until then.
    flushes: usize,
}

/// A state that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Number of the cut.
    pub cut: usize,
    /// Number of the state.
    pub state: usize,
    /// The dump that was cut short.
    pub command: String,
    /// What is wrong.
    pub error: String,
}

/// What came of all cuts.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Repeats the plan.
    pub seed: u64,
    /// By kind of dump.
    pub kinds: BTreeMap<Kind, Row>,
    /// Each cut.
    pub cuts: Vec<Power>,
    /// What became of writes, in all states.
    pub fate: Fate,
    /// States that are not as they should be.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
    #[serde(skip)]
    planned: usize,
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            seed: options.seed,
            kinds: BTreeMap::new(),
            cuts: Vec::new(),
            fate: Fate::default(),
            failures: Vec::new(),
            seconds: 0.0,
            planned: options.cuts * options.states,
        }
    }

    pub(super) fn add(&mut self, subject: &Subject, verdict: Verdict) {
        let killed = &subject.killed;
        let row = self.kinds.entry(killed.plan.variant.kind).or_default();
        if subject.number == 0 {
            row.cuts += 1;
            row.after_the_end += usize::from(killed.promise.complete);
            self.cuts.push(Power {
                plan: killed.plan,
                command: killed.plan.command(),
                after_the_end: killed.promise.complete,
                writes: killed.log.writes(),
                flushes: killed.log.flushes(),
            });
        }
        row.states += 1;
        self.fate = self.fate.and(verdict.fate);
        match verdict.found {
            Ok(found) => *row.found.entry(found).or_default() += 1,
            Err(error) => self.failures.push(Failure {
                cut: killed.plan.number,
                state: subject.number,
                command: killed.plan.command(),
                error: format!("{error:#}"),
            }),
        }
    }

    /// All rows as one.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        for row in self.kinds.values() {
            total.cuts += row.cuts;
            total.after_the_end += row.after_the_end;
            total.states += row.states;
            for (found, count) in &row.found {
                *total.found.entry(*found).or_default() += count;
            }
        }
        total
    }

    pub(super) fn progress(&self) -> String {
        format!(
            "{} of {} states examined, {} not as they should be",
            self.total().states,
            self.planned,
            self.failures.len()
        )
    }

    /// Leaves it in `folder` and prints it. Whether all states are as they should be.
    pub fn save(&self, folder: &Path) -> Result<bool> {
        let path = folder.join("report.json");
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        println!("{}\nreport: {}", self.markdown(), path.display());
        match self.failures.len() {
            0 => println!("PASS: every dump is complete, or was brought to its end"),
            wrong => println!("FAIL: {wrong} disk states, kept in {}", folder.display()),
        }
        Ok(self.failures.is_empty())
    }

    /// As text.
    pub fn markdown(&self) -> String {
        let mut table = Table::new();
        table.load_preset(ASCII_MARKDOWN);
        table.set_header([
            "target",
            "cuts",
            "after its end",
            "disk states",
            "complete",
            "resumed",
            "restarted",
            "old dump untouched",
            "WRONG",
        ]);
        let total = self.total();
        let rows = self.kinds.iter().map(|(kind, row)| (kind.name(), row));
        for (name, row) in rows.chain([("all", &total)]) {
            let counts = [
                row.cuts,
                row.after_the_end,
                row.states,
                row.found(Found::Complete),
                row.found(Found::Resumed),
                row.found(Found::Restarted),
                row.found(Found::Old),
                row.states - row.found.values().sum::<usize>(),
            ];
            let counts = counts.map(|count| count.to_string());
            table.add_row(std::iter::once(name.to_owned()).chain(counts));
        }
        for column in 1..9 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!(
            "{table}\nrecorded: {} writes, {} flushes; writes in the states: {} durable, {} kept, {} \
             torn, {} dropped\nSEED={}, {:.0} s",
            self.cuts.iter().map(|cut| cut.writes).sum::<usize>(),
            self.cuts.iter().map(|cut| cut.flushes).sum::<usize>(),
            self.fate.durable,
            self.fate.kept,
            self.fate.torn,
            self.fate.dropped,
            self.seed,
            self.seconds
        )
    }
}
