// SPDX-License-Identifier: MIT
//! The results as JUnit XML, for continuous integration.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// With the reason.
    Skipped(String),
    /// With all that is known.
    Failed(String),
}

/// A test that has ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    pub verdict: Verdict,
    pub took: Duration,
}

/// Writes the results of a suite.
pub fn write(file: &Path, suite: &str, outcomes: &[Outcome]) -> Result<()> {
    let mut tests = TestSuite::new(suite);
    for outcome in outcomes {
        let (class, name) = outcome.name.split_once("::").unwrap_or(("", &outcome.name));
        let status = match &outcome.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Skipped(reason) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(reason.as_str());
                status
            }
            Verdict::Failed(text) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(text.lines().next().unwrap_or_default());
                status.set_description(text.as_str());
                status
            }
        };
        let mut case = TestCase::new(name, status);
        case.set_classname(class).set_time(outcome.took);
        tests.add_test_case(case);
    }
    let mut report = Report::new("resdump");
    report.add_test_suite(tests);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let to = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    report.serialize(to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_in_the_report() {
        let outcome = |name: &str, verdict| Outcome {
            name: name.to_owned(),
            verdict,
            took: Duration::from_millis(1500),
        };
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("junit/suite.xml");
        let outcomes = [
            outcome("low::refusals::one", Verdict::Passed),
            outcome("low::two", Verdict::Skipped("needs FUSE: none".to_owned())),
            outcome(
                "three",
                Verdict::Failed("1 < 2\n\x1b[31mconsole\0".to_owned()),
            ),
        ];
        write(&file, "qemu-ppce500", &outcomes).unwrap();
        let text = fs::read_to_string(file).unwrap();
        for part in [
            "tests=\"3\" skipped=\"1\" errors=\"0\" failures=\"1\"",
            "name=\"refusals::one\" classname=\"low\" time=\"1.500\"",
            "<skipped message=\"needs FUSE: none\"/>",
            "<failure message=\"1 &lt; 2\">1 &lt; 2\nconsole</failure>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
