// SPDX-License-Identifier: MIT
//! A running guest: commands over its serial line, and a clean end.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use host::deadline::seconds;

use crate::confirm::Session;
use crate::console::Console;
use crate::detectors::Detectors;
use crate::monitor::Monitor;
use crate::target::Target;

/// What the shell prints when it waits for a command.
const PROMPT: &str = "resdump:/root# ";

/// Seconds from power-on to the boot loader's prompt, and from there to the shell's.
pub(crate) const BOOT: u64 = 120;

/// Result of a command: what it printed, standard error included, and its exit status.
#[derive(Clone, Debug)]
pub struct Output {
    /// Text, line ends as LF.
    pub text: String,
    /// Exit status.
    pub status: i32,
}

/// A guest that runs.
pub struct Guest {
    target: Box<dyn Target>,
    pub(crate) console: Console,
    /// How commands are typed where the line may damage them.
    session: Option<Session>,
    monitor: Option<Monitor>,
    power_off: String,
    preparation: Vec<String>,
    pub(crate) detectors: Detectors,
    commands: u32,
    started: Instant,
    /// Lines of the log about races that have been looked at.
    pub(crate) races: String,
}

impl Guest {
    pub(crate) fn new(
        target: Box<dyn Target>,
        console: Console,
        monitor: Option<Monitor>,
        power_off: &str,
        preparation: Vec<String>,
        detectors: Detectors,
    ) -> Self {
        Self {
            target,
            console,
            session: None,
            monitor,
            power_off: power_off.to_owned(),
            preparation,
            detectors,
            commands: 0,
            started: Instant::now(),
            races: String::new(),
        }
    }

    /// The same guest, behind a line that may lose or damage characters: each command is confirmed before it runs, and
    /// runs without a terminal.
    pub(crate) fn confirming(mut self) -> Self {
        self.session = Some(Session::new());
        self
    }

    /// Lines that had to be typed, or asked for, again, where commands are confirmed.
    pub fn repeated(&self) -> u64 {
        self.session.as_ref().map_or(0, Session::repeated)
    }

    /// Puts it under the time limit of the test that this thread runs.
    pub fn used_by_this_test(&self) {
        self.target.used_by_this_test();
    }

    /// Waits for the shell's prompt and returns the seconds since the start. Then regions are filled
    /// whose place was not known before.
    pub fn wait_for_shell(&mut self) -> Result<f64> {
        self.wait_for_shell_within(BOOT)
    }

    /// The same, for a start that may take up to `limit` seconds.
    pub fn wait_for_shell_within(&mut self, limit: u64) -> Result<f64> {
        let limit = self.limit(limit);
        match &mut self.session {
            Some(session) => {
                let begun = session.begin(&mut self.console, limit);
                self.explained(begun)?;
            }
            None => drop(self.console.wait_for(PROMPT, limit)?),
        }
        let uptime = self.uptime();
        if self.detectors.races {
            // Reports come at any time, of the kernel itself too: in the middle of an answer they would
            // be taken for a part of it.
            self.check("dmesg -n 1")?;
        }
        for command in std::mem::take(&mut self.preparation) {
            self.check(&command)?;
        }
        Ok(uptime)
    }

    /// A limit, stretched for a kernel with slow detectors.
    pub(crate) fn limit(&self, limit: u64) -> Duration {
        seconds(limit).mul_f64(self.detectors.slowness())
    }

    /// The same result; an error with what became of the line, where that is the reason.
    pub(crate) fn explained<T>(&mut self, result: Result<T>) -> Result<T> {
        let error = match result {
            Err(error) => error,
            good => return good,
        };
        match self.target.line_ended() {
            Some(why) => Err(error.context(why)),
            None if self.console.position() == 0 => Err(error.context(
                "nothing has come over the serial line: is it this board's, at its speed?",
            )),
            None => Err(error),
        }
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Runs a command to its end, which must come within a minute or two.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        self.run_within(command, 120)
    }

    /// Runs a command to its end, which must come within `limit` seconds.
    pub fn run_within(&mut self, command: &str, limit: u64) -> Result<Output> {
        let duration = self.limit(limit);
        if let Some(session) = &mut self.session {
            let answer = session.run(&mut self.console, command, duration);
            let (text, status) = self.explained(answer)?;
            return Ok(Output { text, status });
        }
        self.start(command)?;
        self.finish(limit)
    }

    /// Types a command and does not wait for its end; [`Self::finish`] does.
    pub fn start(&mut self, command: &str) -> Result<()> {
        ensure!(
            self.session.is_none(),
            "{command:?}: on a line that may damage characters a command runs to its end; the test needs TERMINAL"
        );
        self.commands += 1;
        let number = self.commands;
        // The marks are put together by the shell, so that its echo of the line is not taken for
        // them.
        self.console.send_line(&format!(
            "echo \"<<BE\"\"GIN-{number}>>\"; {{ {command}\n}} 2>&1; echo \"<<EN\"\"D-{number} $?>>\""
        ))?;
        self.console
            .wait_for(&format!("<<BEGIN-{number}>>\r\n"), self.limit(30))?;
        Ok(())
    }

    /// Waits for the end of what [`Self::start`] started.
    pub fn finish(&mut self, limit: u64) -> Result<Output> {
        let number = self.commands;
        let text = self
            .console
            .wait_for(&format!("<<END-{number} "), self.limit(limit))?;
        let status = self.console.wait_for(">>", self.limit(30))?;
        self.console.wait_for(PROMPT, self.limit(30))?;
        Ok(Output {
            text,
            status: status
                .parse()
                .with_context(|| format!("exit status {status:?}"))?,
        })
    }

    /// Waits until something is said, and returns what was said before it.
    pub fn wait_for(&mut self, text: &str, limit: u64) -> Result<String> {
        self.console.wait_for(text, self.limit(limit))
    }

    /// The serial line itself, for what is not a command and its answer.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// QEMU's monitor, of a machine that was started with one.
    pub fn monitor(&mut self) -> Result<&mut Monitor> {
        self.monitor.as_mut().context("the machine has no monitor")
    }

    /// Types something, such as a control character.
    pub fn type_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.console.send(bytes)
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn check(&mut self, command: &str) -> Result<String> {
        self.check_within(command, 120)
    }

    /// The same, for a command that may take up to `limit` seconds.
    pub fn check_within(&mut self, command: &str, limit: u64) -> Result<String> {
        let output = self.run_within(command, limit)?;
        if output.status != 0 {
            bail!(
                "{command:?} ended with {}: {}",
                output.status,
                output.text.trim_end()
            );
        }
        Ok(output.text)
    }

    /// Powers off and waits for the end of the machine. The kernel's detectors must have
    /// found nothing.
    pub fn power_off(mut self) -> Result<ExitStatus> {
        if let Err(error) = self.check_detectors() {
            bail!("{error:#}\n{}", self.report());
        }
        match &mut self.session {
            // The last words of the kernel may be damaged; that all is written is not.
            Some(_) => drop(self.check("sync; cd /; umount /mnt 2>/dev/null; umount /data")?),
            None => self.console.send_line(&self.power_off)?,
        }
        let limit = self.limit(60);
        match self.target.ended(&mut self.console, limit) {
            Ok(status) => Ok(status),
            Err(error) => bail!("{error:#}\n{}", self.report()),
        }
    }

    /// Ends the machine at once, as pulling the plug does.
    pub fn kill(mut self) -> Result<()> {
        self.target.power_off()
    }

    /// Gives power to a board that has none; the boot loader's prompt, or the shell's, is to be waited for next.
    pub(crate) fn power_on(&mut self) -> Result<()> {
        self.target.power_on(&mut self.console)?;
        self.started = Instant::now();
        Ok(())
    }

    /// Takes the power away at once and gives it back; the boot loader's prompt, or the shell's, is to be waited for
    /// next.
    pub fn power_cycle(&mut self) -> Result<()> {
        self.target.power_cycle(&mut self.console)?;
        self.started = Instant::now();
        Ok(())
    }

    /// What pulls the plug from another thread.
    pub fn plug(&self) -> impl FnOnce() + Send + 'static {
        self.target.plug()
    }

    /// What is needed to examine a failure: console, command line, how to repeat it.
    pub fn report(&self) -> String {
        format!(
            "--- console ({})\n{}\n{}",
            self.console.log().display(),
            self.console.transcript(),
            self.target.report()
        )
    }
}
