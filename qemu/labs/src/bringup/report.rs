// SPDX-License-Identifier: MIT
//! What a user can send in: Markdown to read, JSON to compare. It names no disk's serial number, no address of a
//! network and no user; the console is in it only if that was asked for.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::Place;

/// Whether a step is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is.
    Passed,
    /// It is not.
    Failed,
    /// It cannot be seen here.
    NotShown,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotShown => "not shown",
        }
    }
}

/// The result of a step.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    result: Verdict,
    /// One line, or why not.
    detail: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    figures: Value,
}

impl Outcome {
    pub(super) fn passed(detail: &str) -> Self {
        Self::new(Verdict::Passed, detail)
    }

    pub(super) fn not_shown(why: &str) -> Self {
        Self::new(Verdict::NotShown, why)
    }

    fn new(result: Verdict, detail: &str) -> Self {
        Self {
            result,
            detail: detail.to_owned(),
            figures: Value::Null,
        }
    }

    /// The same, with figures.
    pub(super) fn with(mut self, figures: Value) -> Self {
        self.figures = figures;
        self
    }
}

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was looked at.
    pub step: &'static str,
    /// Its result.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of this format; grows when a field changes its meaning.
    pub schema: u32,
    /// The board's name, as in `board/`.
    pub board: String,
    /// Where it ran.
    pub place: String,
    /// Kernel, processor, memory, regions.
    pub system: Value,
    /// All steps, in their order.
    pub steps: Vec<Step>,
    /// What such a run cannot show.
    pub cannot_show: Vec<String>,
    /// The console, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
}

impl Report {
    pub(super) fn new(board: &str, place: &dyn Place) -> Self {
        Self {
            schema: 1,
            board: board.to_owned(),
            place: place.name(),
            system: Value::Null,
            steps: Vec::new(),
            cannot_show: place
                .cannot_show()
                .iter()
                .map(|it| (*it).to_owned())
                .collect(),
            console: None,
        }
    }

    /// Runs a step; an error is its result, and the next step is run all the same.
    pub(super) fn step(&mut self, step: &'static str, work: impl FnOnce() -> Result<Outcome>) {
        let began = Instant::now();
        let outcome = work().unwrap_or_else(|error| {
            // What the machine said besides is for the terminal alone.
            let said = format!("{error:#}");
            println!("{said}");
            Outcome::new(Verdict::Failed, said.lines().next().unwrap_or_default())
        });
        println!("    {step}: {}: {}", outcome.result.word(), outcome.detail);
        self.steps.push(Step {
            step,
            outcome,
            seconds: began.elapsed().as_secs_f64(),
        });
    }

    /// Whether no step failed.
    pub fn passed(&self) -> bool {
        let failed = |step: &Step| step.outcome.result == Verdict::Failed;
        !self.steps.iter().any(failed)
    }

    /// As text.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Bring-up of {}\n\nRan on {}.\n\n", self.board, self.place);
        for (name, value) in self.system.as_object().into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            text += &format!("- {name}: `{value}`\n");
        }
        text += "\n| step | result | what | seconds |\n|---|---|---|---|\n";
        for step in &self.steps {
            let (word, line) = (step.outcome.result.word(), &step.outcome.detail);
            let line = line.replace('|', "\\|");
            text += &format!(
                "| {} | {word} | {line} | {:.0} |\n",
                step.step, step.seconds
            );
        }
        text += "\nNot shown by such a run:\n\n";
        for line in &self.cannot_show {
            text += &format!("- {line}\n");
        }
        if let Some(console) = &self.console {
            text += &format!("\n## Console\n\n````\n{}\n````\n", console.trim_end());
        }
        text
    }

    /// Leaves it in `folder` and prints where.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let (text, data) = (folder.join("report.md"), folder.join("report.json"));
        fs::write(&text, self.markdown())?;
        fs::write(&data, serde_json::to_string_pretty(self)? + "\n")?;
        println!("report: {}, {}", text.display(), data.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use machine::guest::Guest;

    use super::*;

    struct Nowhere;

    impl Place for Nowhere {
        fn name(&self) -> String {
            "a desk".to_owned()
        }
        fn start(&self) -> Result<Guest> {
            bail!("there is no switch")
        }
        fn disk(&self) -> Option<&str> {
            None
        }
        fn folder(&self) -> &str {
            "/"
        }
        fn mount(&self) -> Option<&str> {
            None
        }
        fn modules(&self) -> &str {
            "/"
        }
        fn cannot_show(&self) -> &[&str] {
            &["anything"]
        }
    }

    #[test]
    fn a_step_that_fails_is_in_the_report_and_the_next_is_run() {
        let mut report = Report::new("x", &Nowhere);
        report.step("first", || bail!("a | b\nsecond line"));
        report.step("second", || Ok(Outcome::not_shown("no engine")));
        assert!(!report.passed());
        let text = report.markdown();
        assert!(text.contains("| first | FAILED | a \\| b | 0 |"), "{text}");
        assert!(
            text.contains("| second | not shown | no engine | 0 |"),
            "{text}"
        );
        assert!(
            text.contains("- anything\n") && !text.contains("Console"),
            "{text}"
        );
        let data = serde_json::to_value(&report).unwrap();
        assert_eq!(data["steps"][0]["result"], "failed");
        assert_eq!(data["steps"][0]["detail"], "a | b");
        assert!(data.get("console").is_none());
    }

    #[test]
    fn what_is_not_shown_is_no_failure() {
        let mut report = Report::new("x", &Nowhere);
        report.step("one", || Ok(Outcome::not_shown("no engine")));
        assert!(report.passed());
        report.console = Some("said".to_owned());
        assert!(
            report
                .markdown()
                .ends_with("## Console\n\n````\nsaid\n````\n")
        );
    }
}
