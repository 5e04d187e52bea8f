// SPDX-License-Identifier: MIT
//! The committed instruction counts that a change is held against: `bench-baseline.json` of a board.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::Cost;
use board::Board;

/// How much more than the baseline a way may cost: what is above that is a regression.
const TOLERANCE: f64 = 0.05;

/// Instructions per MiB by way. Ways that cost less than the meter's error allows to tell a few
/// percent apart are not in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Baseline {
    insn_per_mib: BTreeMap<String, f64>,
    /// The same of the cheap ways: no more than this, for 5 % is less than the meter's error.
    most_per_mib: BTreeMap<String, f64>,
    /// Of a recording, per MiB: no more than this.
    most_recorded: BTreeMap<String, f64>,
    /// Instructions of a command from its start to its end, no more than this.
    most: BTreeMap<String, f64>,
    /// Instructions from power-on to the prompt, no more than this, by where the root file system is.
    most_boot: BTreeMap<String, f64>,
}

impl Baseline {
    /// Reads the board's own, if it has one.
    pub fn load(board: &Board) -> Result<Option<Self>> {
        let Some(folder) = board.folders.first() else {
            return Ok(None);
        };
        let file = folder.join("bench-baseline.json");
        if !file.exists() {
            return Ok(None);
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let baseline = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        Ok(Some(baseline))
    }

    /// The commands whose whole cost is bounded, each with its bound.
    pub fn commands(&self) -> impl Iterator<Item = (&str, f64)> {
        self.most.iter().map(|(command, most)| (&**command, *most))
    }

    /// Fails when a start from `root` costs more than it may.
    pub fn check_boot(&self, root: &str, instructions: u64) -> Result<()> {
        let most = self
            .most_boot
            .get(root)
            .with_context(|| format!("bench-baseline.json: most_boot has no {root:?}"))?;
        ensure!(
            instructions as f64 <= *most,
            "a start with its root in {root} has become dearer: {instructions} instructions, more than {most:.0}; if \
             that is meant, change the board's bench-baseline.json"
        );
        Ok(())
    }

    /// The ways of a recording whose cost is bounded, each with its bound.
    pub fn recorded(&self) -> impl Iterator<Item = (&str, f64)> {
        self.most_recorded.iter().map(|(way, most)| (&**way, *most))
    }

    /// Fails when a way costs more than it did, naming all that do.
    pub fn check(&self, costs: &BTreeMap<String, Cost>) -> Result<()> {
        let mut worse = Vec::new();
        for (way, before) in &self.insn_per_mib {
            let now = costs
                .get(way)
                .with_context(|| format!("{way} was not measured"))?
                .per_mib;
            if now > before * (1.0 + TOLERANCE) {
                worse.push(format!(
                    "{way}: {now:.0} instructions per MiB, {:.1} % more than {before:.0}",
                    (now / before - 1.0) * 100.0
                ));
            }
        }
        for (way, most) in &self.most_per_mib {
            let now = costs
                .get(way)
                .with_context(|| format!("{way} was not measured"))?
                .per_mib;
            if now > *most {
                worse.push(format!(
                    "{way}: {now:.0} instructions per MiB, more than {most:.0}"
                ));
            }
        }
        if worse.is_empty() {
            return Ok(());
        }
        bail!(
            "dumps have become dearer; if that is meant, change the board's bench-baseline.json:\n{}",
            worse.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(before: f64, now: f64) -> Result<()> {
        let baseline = Baseline {
            insn_per_mib: [("kernel".to_owned(), before)].into(),
            most_per_mib: BTreeMap::new(),
            most_recorded: BTreeMap::new(),
            most: BTreeMap::new(),
            most_boot: BTreeMap::new(),
        };
        let cost = Cost {
            per_mib: now,
            fixed: 0.0,
        };
        baseline.check(&[("kernel".to_owned(), cost)].into())
    }

    #[test]
    fn a_few_percent_more_is_no_regression() {
        assert!(compare(1000.0, 1049.0).is_ok());
        assert!(compare(1000.0, 10.0).is_ok());
    }

    #[test]
    fn more_than_that_is() {
        let error = compare(1000.0, 1051.0).unwrap_err().to_string();
        assert!(error.contains("kernel: 1051"), "{error}");
    }

    #[test]
    fn a_floor_has_no_tolerance() {
        let baseline = Baseline {
            insn_per_mib: BTreeMap::new(),
            most_per_mib: [("kernel".to_owned(), 400.0)].into(),
            most_recorded: BTreeMap::new(),
            most: BTreeMap::new(),
            most_boot: BTreeMap::new(),
        };
        let check = |per_mib| {
            let cost = Cost {
                per_mib,
                fixed: 0.0,
            };
            baseline.check(&[("kernel".to_owned(), cost)].into())
        };
        assert!(check(400.0).is_ok());
        assert!(check(401.0).is_err());
    }

    #[test]
    fn a_start_has_a_bound() {
        let baseline = Baseline {
            insn_per_mib: BTreeMap::new(),
            most_per_mib: BTreeMap::new(),
            most_recorded: BTreeMap::new(),
            most: BTreeMap::new(),
            most_boot: [("disk".to_owned(), 50e6)].into(),
        };
        assert!(baseline.check_boot("disk", 50_000_000).is_ok());
        let error = baseline.check_boot("disk", 50_000_001);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("50000001"), "{error}");
        assert!(baseline.check_boot("memory", 1).is_err());
    }

    #[test]
    fn a_way_that_was_not_measured_is_an_error() {
        let baseline = Baseline {
            insn_per_mib: [("kernel".to_owned(), 1.0)].into(),
            most_per_mib: BTreeMap::new(),
            most_recorded: BTreeMap::new(),
            most: BTreeMap::new(),
            most_boot: BTreeMap::new(),
        };
        assert!(baseline.check(&BTreeMap::new()).is_err());
    }
}
