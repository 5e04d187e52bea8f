// SPDX-License-Identifier: MIT
//! Commands of the host: none runs longer than its limit, nor than the test that started it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline::{self, Handle, Limit, seconds};

/// Seconds of a command that is not a build.
const LIMIT: u64 = 600;

/// Runs a command to its end, whatever its exit status.
pub fn status(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    within(command, limit, Handle::of, |mut child| child.wait())
}

/// The same, of a command whose children end with it when its time is over, such as a shell's.
pub fn status_of_group(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let command = command.process_group(0);
    within(command, limit, Handle::of_group, |mut child| child.wait())
}

/// Runs a command to its end, whatever its exit status; what it printed.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    within(command, seconds(LIMIT), Handle::of, Child::wait_with_output)
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
    handle: fn(&Child) -> Result<Handle>,
    wait: impl FnOnce(Child) -> std::io::Result<T>,
) -> Result<T> {
    let child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let handle = Arc::new(handle(&child)?);
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
    fn a_command_that_is_killed_leaves_nothing_running() {
        let (reader, writer) = std::io::pipe().unwrap();
        // Longer than a shell takes to start another.
        let limit = Duration::from_millis(500);
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 60; true"]).stdout(writer);
        status_of_group(&mut shell, limit).unwrap_err();
        drop(shell);
        // The end of the pipe is that of the last process that could write to it.
        let ended = deadline::within(Duration::from_secs(20), move || {
            Ok(std::io::read_to_string(reader)?)
        });
        assert_eq!(ended.unwrap(), "");
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
