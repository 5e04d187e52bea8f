// SPDX-License-Identifier: MIT
//! A whole run, for the record of runs: `make boards-table` takes it from the output folder.

use anyhow::Result;
use libtest_mimic::Conclusion;

use board::Board;
use board::runs::{self, Outcome, Run};
use host::paths::Paths;
use host::settings;

use super::bed::instead;

/// What the results of a run are called.
pub fn name(board: &Board) -> String {
    match (instead(), &settings::get().target) {
        (Some(flavour), _) => format!("{}-{flavour}", board.name),
        (None, Some(_)) => format!("{}-lab", board.name),
        (None, None) => board.name.clone(),
    }
}

/// Leaves the run in the output folder, unless the board has none of the tests.
pub fn leave(paths: &Paths, board: &Board, kernel: String, conclusion: &Conclusion) -> Result<()> {
    if conclusion.num_passed + conclusion.num_failed == 0 {
        return Ok(());
    }
    let mut command = command(board, instead());
    if settings::get().images.is_some() {
        command += " IMAGE=buildroot";
    }
    let run = Run {
        board: board.name.clone(),
        kernel,
        command,
        date: runs::today()?,
        remark: None,
        outcome: Outcome::Suite {
            passed: conclusion.num_passed,
            failed: conclusion.num_failed,
            excluded: Some(conclusion.num_ignored),
        },
    };
    runs::leave(&paths.out, &name(board), &run)
}

/// The command of such a run.
fn command(board: &Board, flavour: Option<&str>) -> String {
    match flavour {
        Some(sanitizer) if board.is_detector() => format!("make test-twin SANITIZER={sanitizer}"),
        Some("disks") => format!("make test-disks BOARD={}", board.name),
        Some(_) => format!("make test-debug BOARD={}", board.name),
        None => format!("make test-suite BOARD={}", board.name),
    }
}
