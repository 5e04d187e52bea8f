// SPDX-License-Identifier: MIT
//! The boot loader's command line (U-Boot), on the same serial line as the system's that follows. What
//! does not come in time is an error that shows the end of the transcript; all of it is in
//! [`Guest::report`].

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::guest::{BOOT, Guest};

/// What U-Boot prints when it waits for a command.
const PROMPT: &str = "\n=> ";

impl Guest {
    /// Stops the countdown of the boot loader and waits for its prompt.
    pub fn stop_boot_loader(&mut self) -> Result<()> {
        self.console
            .wait_for("Hit any key to stop autoboot", self.limit(60))?;
        self.console.send(b" ")?;
        self.console.wait_for(PROMPT, self.limit(30))?;
        Ok(())
    }

    /// Runs a command of the boot loader that must succeed, and returns what it printed.
    pub fn boot_loader(&mut self, command: &str) -> Result<String> {
        let text = self.boot_loader_line(command)?;
        let status = self.boot_loader_line("echo status $?")?;
        ensure!(
            status.trim() == "status 0",
            "the boot loader's {command:?} failed ({}): {text}",
            status.trim()
        );
        Ok(text)
    }

    /// Types the line that starts the system; the shell's prompt is to be waited for next.
    pub fn leave_boot_loader(&mut self, line: &str) -> Result<()> {
        self.type_bytes(format!("{line}\r").as_bytes())
    }

    fn boot_loader_line(&mut self, line: &str) -> Result<String> {
        self.type_bytes(format!("{line}\r").as_bytes())?;
        let text = self.console.wait_for(PROMPT, self.limit(60))?;
        // It echoes the line first; what says nothing ends there.
        let said = match text.split_once('\n') {
            Some((_, said)) => said,
            None if text.trim_end() == line => "",
            None => bail!("the boot loader did not echo {line:?}: {text:?}"),
        };
        Ok(said.to_owned())
    }

    /// Stops the countdown of the boot loader whose prompt is `prompt`, and types lines that are executed only when
    /// their echo has come back undamaged; the last of them starts the system, and the shell's prompt is to be waited
    /// for next.
    pub(crate) fn through_loader(&mut self, prompt: &str, lines: &[String]) -> Result<()> {
        let deadline = Instant::now() + self.limit(BOOT);
        let typed = self.type_lines(prompt, lines, deadline);
        self.explained(typed)
    }

    fn type_lines(&mut self, prompt: &str, lines: &[String], deadline: Instant) -> Result<()> {
        // A key that comes too early is lost, and each one stops the countdown.
        self.type_until(b" ", deadline, |line| line.starts_with(prompt))?;
        for line in lines {
            let typed = format!("{prompt}{line}");
            loop {
                self.type_until(b"\x03", deadline, |last| last == prompt)?;
                self.console.send(line.as_bytes())?;
                if self.last_line(Duration::from_secs(2), |last| last == typed)? {
                    break;
                }
                ensure!(
                    Instant::now() < deadline,
                    "the boot loader does not take {line:?}: its echo never came back undamaged"
                );
            }
            self.type_until(b"\r", deadline, |last| last != typed)?;
        }
        Ok(())
    }

    /// Types something, and again every second, until the last line is as it shall be.
    fn type_until(
        &mut self,
        bytes: &[u8],
        deadline: Instant,
        mut done: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        loop {
            self.console.send(bytes)?;
            if self.last_line(Duration::from_secs(1), &mut done)? {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the boot loader does not answer");
        }
    }

    /// Whether the last line, which has no end yet, is as it shall be within `limit`.
    fn last_line(&mut self, limit: Duration, mut done: impl FnMut(&str) -> bool) -> Result<bool> {
        let began = Instant::now();
        while began.elapsed() < limit {
            self.console.next(Duration::from_millis(100))?;
            let said = self.console.transcript();
            if done(said.rsplit('\n').next().unwrap_or_default()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
