// SPDX-License-Identifier: MIT
//! Commands of the host: none runs longer than its limit, nor than the test that started it.

use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline::{self, Handle, Limit, seconds};

/// Seconds of a command that is not a build.
const LIMIT: u64 = 600;

/// Runs a command to its end, whatever its exit status.
pub fn status(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    within(command, limit, |mut child| child.wait())
}

/// Runs a command to its end, whatever its exit status; what it printed.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    within(command, seconds(LIMIT), Child::wait_with_output)
}

/// What a command prints that must succeed, without the last line end.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = output(command.stdin(Stdio::null()))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn within<T>(
    command: &mut Command,
    limit: Duration,
    wait: impl FnOnce(Child) -> std::io::Result<T>,
) -> Result<T> {
    let child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let handle = Arc::new(Handle::of(&child)?);
    deadline::uses(&handle);
    let running = Limit::start(limit, &handle);
    let result = wait(child)?;
    if running.expired() {
        bail!("{command:?} was killed: not done within {limit:?}");
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_killed() {
        let limit = Duration::from_millis(20);
        let error = status(Command::new("sleep").arg("60"), limit).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("was killed: not done within 20ms"), "{text}");
    }

    #[test]
    fn a_command_ends_with_the_work_that_started_it() {
        let limit = Duration::from_millis(20);
        let result = deadline::within(limit, || {
            let status = status(Command::new("sleep").arg("60"), Duration::from_secs(60))?;
            Ok(status.success())
        });
        assert!(result.unwrap_err().to_string().contains("not done within"));
    }

    #[test]
    fn a_command_that_fails_says_so() {
        assert_eq!(output_of(Command::new("echo").arg("one")).unwrap(), "one");
        let error = output_of(Command::new("sh").args(["-c", "echo no >&2; exit 3"]));
        let text = error.unwrap_err().to_string();
        assert!(text.ends_with("ended with exit status: 3: no"), "{text}");
    }
}
