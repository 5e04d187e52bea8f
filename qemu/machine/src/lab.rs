// SPDX-License-Identifier: MIT
//! A board behind the commands of a lab file as the target that a guest runs on.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use board::{Board, Image, Lab};
use host::command;
use host::deadline::{self, Handle, seconds};

use crate::console::Console;
use crate::detectors::Detectors;
use crate::guest::{BOOT, Guest};
use crate::target::Target;

/// Seconds of a command that switches the power.
const SWITCH: u64 = 60;
/// Seconds of one that writes the medium.
const WRITE: u64 = 600;
/// Seconds that the start of a board takes longer than that of a machine of QEMU's.
pub const LONGER: u64 = 2 * SWITCH + WRITE;
/// How long the end of the console's command is waited for when it takes nothing more.
const GOING: Duration = Duration::from_secs(2);

/// The board, and the command that has its serial line.
struct Bench {
    lab: Lab,
    line: Child,
    handle: Arc<Handle>,
    /// What its commands say.
    said: PathBuf,
    /// Whether the board may have power.
    powered: bool,
}

/// How the board is started.
pub struct Start<'a> {
    /// What is written to the medium that it starts from, if anything.
    pub medium: Option<&'a Path>,
    /// Words that the boot script puts on the kernel's command line, from the boot loader's variable `extra`.
    pub extra: &'a str,
}

/// Takes the console of the lab's board, writes its medium, switches it on, and waits for its shell. Files of the run
/// go to `folder`. An error has the console with it.
pub fn start(
    lab: &Lab,
    board: &Board,
    image: &Image,
    folder: &Path,
    how: &Start<'_>,
) -> Result<Guest> {
    let said = folder.join("commands.log");
    run(
        lab,
        "POWER_OFF",
        &lab.commands.power_off,
        &said,
        SWITCH,
        None,
    )?;
    if let (Some(medium), Some(command)) = (how.medium, &lab.commands.write_medium) {
        run(lab, "WRITE_MEDIUM", command, &said, WRITE, Some(medium))?;
    }
    let (bench, console) = Bench::open(lab, folder, said)?;
    let mut guest = Guest::new(
        Box::new(bench),
        console,
        None,
        "poweroff",
        Vec::new(),
        Detectors::of(image)?,
    )
    .confirming();
    let started = guest
        .power_on()
        .and_then(|()| boot(&mut guest, lab, board, how.extra));
    match started {
        Ok(()) => Ok(guest),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

/// From power-on to the shell.
pub fn boot(guest: &mut Guest, lab: &Lab, board: &Board, extra: &str) -> Result<()> {
    let waits = |what: &str| {
        eprintln!(
            "{}: power is on; waiting for {what} for {BOOT} s: {}",
            lab.file.display(),
            guest.console().log().display()
        );
    };
    match lab.loader_boot(board) {
        Some(_) => waits("the boot loader's prompt"),
        None => waits("the shell's prompt"),
    }
    if let Some(line) = lab.loader_boot(board) {
        let prompt = lab.commands.loader_prompt.as_deref().unwrap_or("=>");
        let extra = format!("setenv extra \"{extra}\"");
        guest.through_loader(
            &format!("{} ", prompt.trim_end()),
            &[extra, line.to_owned()],
        )?;
    }
    guest.wait_for_shell()?;
    Ok(())
}

impl Bench {
    fn open(lab: &Lab, folder: &Path, said: PathBuf) -> Result<(Self, Console)> {
        let mut command = shell(&lab.commands.console);
        let mut line = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log(&said)?)
            // What it leaves running ends with it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{}: CONSOLE_COMMAND", lab.file.display()))?;
        let handle = Arc::new(Handle::of_group(&line)?);
        deadline::uses(&handle);
        let (Some(input), Some(output)) = (line.stdin.take(), line.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let bench = Self {
            lab: lab.clone(),
            line,
            handle,
            said,
            powered: false,
        };
        Ok((
            bench,
            Console::new(input, output, &folder.join("console.log"))?,
        ))
    }

    fn run(&self, key: &str, command: &str) -> Result<()> {
        run(&self.lab, key, command, &self.said, SWITCH, None)
    }
}

impl Target for Bench {
    fn power_on(&mut self, _: &mut Console) -> Result<()> {
        self.powered = true;
        self.run("POWER_ON", &self.lab.commands.power_on)
    }

    fn power_off(&mut self) -> Result<()> {
        self.run("POWER_OFF", &self.lab.commands.power_off)?;
        self.powered = false;
        Ok(())
    }

    fn power_cycle(&mut self, console: &mut Console) -> Result<()> {
        match &self.lab.commands.power_cycle {
            Some(command) => {
                self.powered = true;
                self.run("POWER_CYCLE", command)
            }
            None => {
                self.power_off()?;
                self.power_on(console)
            }
        }
    }

    fn ended(&mut self, _: &mut Console, _: Duration) -> Result<ExitStatus> {
        self.power_off()?;
        Ok(ExitStatus::default())
    }

    fn used_by_this_test(&self) {
        deadline::uses(&self.handle);
    }

    fn plug(&self) -> Box<dyn FnOnce() + Send> {
        let mut command = shell(&self.lab.commands.power_off);
        Box::new(move || drop(command::status_of_group(&mut command, seconds(SWITCH))))
    }

    fn line_ended(&mut self) -> Option<String> {
        if !self.handle.ended_within(GOING) {
            return None;
        }
        let status = self.line.try_wait().ok()??;
        Some(format!(
            "{}: CONSOLE_COMMAND ended with {status}: {}",
            self.lab.file.display(),
            last_lines(&self.said)
        ))
    }

    fn report(&self) -> String {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        format!(
            "--- what the commands of {} said\n{said}",
            self.lab.file.display()
        )
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.powered {
            // Nothing to do about an error: the board is left as it is, and the next start switches it off.
            let _ = self.power_off();
        }
        self.handle.kill();
        let _ = self.line.wait();
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

fn log(file: &Path) -> Result<File> {
    let log = File::options().create(true).append(true).open(file);
    log.with_context(|| format!("cannot write {}", file.display()))
}

/// Runs a command of the lab file, which must succeed within `limit` seconds.
fn run(
    lab: &Lab,
    key: &str,
    line: &str,
    said: &Path,
    limit: u64,
    image: Option<&Path>,
) -> Result<()> {
    let mut command = shell(line);
    command
        .stdin(Stdio::null())
        .stdout(log(said)?)
        .stderr(log(said)?);
    if let Some(image) = image {
        command.env("IMAGE", image);
    }
    let place = || format!("{}: {key}", lab.file.display());
    let status = command::status_of_group(&mut command, seconds(limit)).with_context(place)?;
    ensure!(
        status.success(),
        "{}: {line:?} ended with {status}: {}",
        place(),
        last_lines(said)
    );
    Ok(())
}

/// The last of what the commands said.
fn last_lines(said: &Path) -> String {
    let text = fs::read_to_string(said).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(text: &str) -> (tempfile::TempDir, Lab) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lab.conf");
        fs::write(&file, text).unwrap();
        let lab = Lab::load(&file).unwrap();
        (folder, lab)
    }

    #[test]
    fn a_command_that_fails_is_named_with_what_it_said() {
        let (folder, lab) =
            lab("CONSOLE_COMMAND=cat\nPOWER_ON=true\nPOWER_OFF=echo no relay >&2; exit 3\n");
        let said = folder.path().join("commands.log");
        let off = &lab.commands.power_off;
        let error = run(&lab, "POWER_OFF", off, &said, 60, None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("lab.conf: POWER_OFF: "), "{text}");
        assert!(text.ends_with("exit status: 3: no relay"), "{text}");
    }

    /// A board of which each command leaves its name in a file, and whose line is `console`.
    fn bench(console: &str) -> (tempfile::TempDir, Bench, Console) {
        let (folder, lab) = lab(&format!(
            "CONSOLE_COMMAND={console}\nPOWER_ON=echo on\nPOWER_OFF=echo off\n"
        ));
        let said = folder.path().join("commands.log");
        let (bench, console) = Bench::open(&lab, folder.path(), said).unwrap();
        (folder, bench, console)
    }

    #[test]
    fn a_board_that_is_off_is_not_switched_off_again() {
        let (folder, mut bench, mut console) = bench("cat");
        bench.power_on(&mut console).unwrap();
        bench.ended(&mut console, Duration::ZERO).unwrap();
        drop(bench);
        let said = folder.path().join("commands.log");
        assert_eq!(fs::read_to_string(&said).unwrap(), "on\noff\n");
        let (folder, mut bench, mut console) = self::bench("cat");
        bench.power_on(&mut console).unwrap();
        drop(bench);
        let said = folder.path().join("commands.log");
        assert_eq!(fs::read_to_string(said).unwrap(), "on\noff\n");
    }

    #[test]
    fn a_console_command_that_ends_is_named_with_what_it_said() {
        let (_folder, mut bench, _console) = bench("echo no such line >&2; exit 4");
        let said = bench.line_ended().unwrap();
        assert!(
            said.ends_with("lab.conf: CONSOLE_COMMAND ended with exit status: 4: no such line"),
            "{said}"
        );
        let (_folder, mut bench, _console) = self::bench("cat");
        assert_eq!(bench.line_ended(), None);
    }

    #[test]
    fn what_a_console_command_leaves_running_ends_with_it() {
        let (folder, lab) =
            lab("CONSOLE_COMMAND=sleep 60 & echo $!; exec cat\nPOWER_ON=true\nPOWER_OFF=true\n");
        let said = folder.path().join("commands.log");
        let (bench, mut console) = Bench::open(&lab, folder.path(), said).unwrap();
        let limit = Duration::from_secs(60);
        let process = console.wait_for("\n", limit).unwrap();
        console.send_line("over the line").unwrap();
        console.wait_for("over the line\n", limit).unwrap();
        drop(bench);
        // Its end is closed by the last process of the group.
        assert!(console.next(limit).is_err());
        let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}
