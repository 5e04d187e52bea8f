// SPDX-License-Identifier: MIT
//! Commands over a serial line that may lose or damage characters, in both directions. A command is sent with its
//! digest, and runs, once, when the guest has all of it; the answer comes in numbered pieces with sums, and is asked
//! for again until each has arrived. What the kernel says in between is none of them. `confirm.sh` is the guest's half.

mod request;
mod said;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::console::Console;
use request::{PART, Request, hex, sum};
use said::{Said, understood, waiting};

/// The guest's half.
const SCRIPT: &str = include_str!("confirm.sh");
/// How long a line is waited for that has no answer.
const QUIET: Duration = Duration::from_secs(3);
/// What a restart in the middle of a command is.
const GONE: &str =
    "the system has started again since the last command: the console has the reason";
/// Ends a stopped output, and an empty line after removing what there is of one.
const KNOCK: &[u8] = b"\x11\x15\n";

/// The host's end of a conversation with the guest's shell.
pub(crate) struct Session {
    /// The guest's half.
    script: String,
    /// Of the last command.
    number: u64,
    /// What has come since the last line end.
    partial: Vec<u8>,
    /// Lines that were typed again, or asked for again.
    repeated: u64,
}

impl Session {
    /// One that has not begun.
    pub(crate) fn new() -> Self {
        Self::with(SCRIPT)
    }

    fn with(script: &str) -> Self {
        Self {
            script: script.to_owned(),
            number: 0,
            partial: Vec::new(),
            repeated: 0,
        }
    }

    /// Lines that had to be typed, or asked for, again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Waits for the shell after a start, and brings the guest's half to it.
    pub(crate) fn begin(&mut self, console: &mut Console, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        self.bring(console, deadline)?;
        self.number = 0;
        while !self.says(console, "echo begun $(resdump_begin)", "begun 0", deadline)? {}
        Ok(())
    }

    /// Brings the guest's half to the shell. Where an earlier session of the same start has ended, numbers go on.
    fn bring(&mut self, console: &mut Console, deadline: Instant) -> Result<()> {
        self.prompt(console, deadline)?;
        let digits: Vec<u8> = hex(&self.script).into_bytes();
        let parts = digits.chunks(PART).map(String::from_utf8_lossy);
        let mut names = String::new();
        for (index, part) in parts.enumerate() {
            write!(names, "$R{index}")?;
            let ask = format!("R{index}={part}\necho is $(printf %s $R{index} | sha256sum)");
            let wanted = format!("is {}", &sum(&part)[..16]);
            while !self.says(console, &ask, &wanted, deadline)? {}
        }
        let evaluate = format!("eval \"$(printf \"$(echo {names} | sed 's/../\\\\x&/g')\")\"");
        let ask = format!("{evaluate}\necho sum $(resdump_sum begin)");
        let wanted = format!("sum {}", &sum("begin")[..16]);
        while !self.says(console, &ask, &wanted, deadline)? {}
        Ok(())
    }

    /// Types lines; whether the guest answers them with a line that begins so. The answer must not be in what is typed:
    /// an echo would be taken for it. Otherwise the shell waits for the lines again.
    fn says(
        &mut self,
        console: &mut Console,
        lines: &str,
        answer: &str,
        deadline: Instant,
    ) -> Result<bool> {
        console.send_line(lines)?;
        let said = self.line_with(console, answer, deadline)?;
        if !said {
            self.repeated += 1;
            self.prompt(console, deadline)?;
        }
        Ok(said)
    }

    /// Runs a command, once: what it printed, and its exit status. An error where the system has started again since
    /// the last [`Self::begin`], as a kernel does that panics.
    pub(crate) fn run(
        &mut self,
        console: &mut Console,
        command: &str,
        limit: Duration,
    ) -> Result<(String, i32)> {
        self.number += 1;
        let mut request = Request::new(self.number, command);
        let deadline = Instant::now() + limit;
        for index in 0..request.parts.len() - 1 {
            self.keep(console, &request, index, deadline)?;
        }
        let line = request.line();
        console.send_line(&line)?;
        let mut knocked = Instant::now();
        let mut asked = false;
        loop {
            let mut again = false;
            for said in self.next(console, deadline, &format!("{command:?}"))? {
                match said {
                    Said::Again => again = true,
                    // What has been typed is read when the shell is ready, and answered, or it has not arrived.
                    Said::Prompt => again |= asked || !request.pieces.is_empty(),
                    Said::Lost => {
                        self.bring(console, deadline)?;
                        again = true;
                    }
                    Said::Gone => bail!("{command:?}: {GONE}"),
                    Said::Continued => console.send(b"\x03")?,
                    Said::Piece {
                        command,
                        number,
                        more,
                        text,
                    } if command == request.number => request.take(number, more, text)?,
                    Said::Piece { .. } | Said::Kept(_) | Said::Login => {}
                }
                if let Some(answer) = request.answer() {
                    return answer.with_context(|| format!("{command:?}"));
                }
            }
            again |= request.end.is_some() && self.at_prompt();
            if again {
                self.repeated += 1;
                self.partial.clear();
                console.send_line(&line)?;
                knocked = Instant::now();
                asked = false;
            } else if knocked.elapsed() > QUIET {
                console.send(KNOCK)?;
                knocked = Instant::now();
                asked = true;
            }
        }
    }

    /// Has the guest keep a part of a command.
    fn keep(
        &mut self,
        console: &mut Console,
        request: &Request,
        index: usize,
        deadline: Instant,
    ) -> Result<()> {
        let part = &request.parts[index];
        let check = &sum(&format!("{index} {part}"))[..16];
        let line = format!("resdump_part {index} {check} {part}");
        loop {
            console.send_line(&line)?;
            let sent = Instant::now();
            let mut again = false;
            while !again && sent.elapsed() < QUIET {
                for said in self.next(console, deadline, "a part of a command")? {
                    match said {
                        Said::Kept(kept) if kept == index => return Ok(()),
                        Said::Again => again = true,
                        Said::Lost => {
                            self.bring(console, deadline)?;
                            again = true;
                        }
                        Said::Gone => bail!("{GONE}"),
                        _ => {}
                    }
                }
            }
            self.repeated += 1;
            self.prompt(console, deadline)?;
        }
    }

    /// Knocks until the shell waits for a command.
    fn prompt(&mut self, console: &mut Console, deadline: Instant) -> Result<()> {
        self.partial.clear();
        loop {
            console.send(KNOCK)?;
            let knocked = Instant::now();
            while knocked.elapsed() < QUIET {
                for said in self.next(console, deadline, "the shell's prompt")? {
                    match said {
                        Said::Prompt => return Ok(()),
                        Said::Continued => console.send(b"\x03")?,
                        Said::Login => console.send(b"root\n")?,
                        _ => {}
                    }
                }
            }
        }
    }

    /// Whether a line that ends with this comes before the guest is quiet.
    fn line_with(&mut self, console: &mut Console, text: &str, deadline: Instant) -> Result<bool> {
        let mut seen = String::new();
        let mut last = Instant::now();
        while last.elapsed() < QUIET {
            let came = console.next(Duration::from_millis(200))?;
            if !came.is_empty() {
                last = Instant::now();
            }
            seen += &String::from_utf8_lossy(&came);
            // A line that was typed before the prompt came has its answer behind that.
            if seen.contains(&format!("\n{text}")) || seen.contains(&format!("# {text}")) {
                return Ok(true);
            }
            ensure!(
                Instant::now() < deadline,
                "the guest's shell does not answer: {}",
                tail(&seen)
            );
        }
        Ok(false)
    }

    /// What is said next; nothing after a while.
    fn next(
        &mut self,
        console: &mut Console,
        deadline: Instant,
        waiting_for: &str,
    ) -> Result<Vec<Said>> {
        if Instant::now() >= deadline {
            bail!(
                "waiting for the end of {waiting_for}: not within its time\n--- end of {}\n{}",
                console.log().display(),
                tail(&console.transcript())
            );
        }
        let came = console.next(Duration::from_millis(200))?;
        self.partial.extend(&came);
        let mut said = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.partial.drain(..=end).collect();
            line.retain(|byte| !b"\r\n".contains(byte));
            said.extend(understood(&line));
        }
        if !came.is_empty() {
            said.extend(waiting(&self.partial));
        }
        Ok(said)
    }

    fn at_prompt(&self) -> bool {
        waiting(&self.partial) == Some(Said::Prompt)
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use host::deadline::Handle;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A session with a shell that is started again whenever it ends, as a board is; its files are in a folder.
    struct Board {
        folder: tempfile::TempDir,
        shell: std::process::Child,
        console: Console,
        session: Session,
    }

    impl Board {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            // On a terminal of its own, which echoes.
            let mut shell = Command::new("script")
                .args([
                    "-qfc",
                    // It ends with the terminal, also where SIGHUP is ignored.
                    "while test -t 0; do bash --norc --noprofile --noediting; done",
                    "/dev/null",
                ])
                .env("SHELL", "/bin/sh")
                .env("LC_ALL", "C")
                .env("PS1", "resdump:/root# ")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .process_group(0)
                .spawn()
                .unwrap();
            let (input, output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
            let console = Console::new(input, output, &folder.path().join("console.log")).unwrap();
            let script = SCRIPT.replace("/tmp/", &format!("{}/", folder.path().display()));
            let mut board = Self {
                folder,
                shell,
                console,
                session: Session::with(&script),
            };
            board.session.begin(&mut board.console, LIMIT).unwrap();
            board
        }

        fn run(&mut self, command: &str) -> Result<(String, i32)> {
            self.session.run(&mut self.console, command, LIMIT)
        }

        /// The command of a system that starts again and forgets what was in its memory.
        fn restart(&self) -> String {
            format!("rm -f {}/.[np]*; exit 9", self.folder.path().display())
        }
    }

    impl Drop for Board {
        fn drop(&mut self) {
            Handle::of_group(&self.shell).unwrap().kill();
            self.shell.wait().unwrap();
        }
    }

    #[test]
    fn a_command_during_which_the_system_starts_again_fails_and_does_not_run_twice() {
        for before in 0..2 {
            let mut board = Board::start();
            for _ in 0..before {
                assert_eq!(board.run("echo one").unwrap(), ("one\n".to_owned(), 0));
            }
            let ran = board.folder.path().join("ran");
            let command = format!("echo x >>{}; {}", ran.display(), board.restart());
            let error = board.run(&command).unwrap_err().to_string();
            assert!(error.ends_with(GONE), "{error}");
            assert_eq!(std::fs::read_to_string(ran).unwrap(), "x\n");
            // What comes next finds the same, until a start is meant.
            let long = format!("echo {}", "y".repeat(1000));
            assert!(board.run(&long).unwrap_err().to_string().ends_with(GONE));
            board.session.begin(&mut board.console, LIMIT).unwrap();
            assert_eq!(board.run("echo two").unwrap(), ("two\n".to_owned(), 0));
        }
    }

    #[test]
    fn a_shell_that_ends_is_replaced_and_the_command_is_not_repeated() {
        let mut board = Board::start();
        let ran = board.folder.path().join("ran");
        let command = format!("echo x >>{}; exit 9", ran.display());
        // It has no status: the shell that would have kept it is gone.
        board.run(&command).unwrap_err();
        assert_eq!(std::fs::read_to_string(ran).unwrap(), "x\n");
        assert_eq!(board.run("echo two").unwrap(), ("two\n".to_owned(), 0));
    }

    #[test]
    fn an_answer_may_have_any_bytes_but_nul_and_carriage_return() {
        let mut board = Board::start();
        let (said, status) = board.run("printf 'a\\0b\\rc\\377\\n~1.1\\nend'").unwrap();
        assert_eq!((&*said, status), ("a?bc\u{fffd}\n~1.1\nend", 0));
    }
}
