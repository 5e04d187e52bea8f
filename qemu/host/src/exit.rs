// SPDX-License-Identifier: MIT
//! How a program ends.

use std::process::ExitCode;

use anyhow::Result;

/// The exit status for a result: success for `Ok(true)` alone. An error is printed on standard error, and its first
/// line once more behind `FAIL: `, where it is found below a long text.
pub fn code(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let whole = format!("{error:#}");
            eprintln!("{whole}");
            eprintln!("FAIL: {}", whole.lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}
