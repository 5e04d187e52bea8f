// SPDX-License-Identifier: MIT
//! Commands over a serial line that may lose or damage characters, in both directions. A command is sent with its
//! digest, and runs, once, when the guest has all of it; the answer comes in numbered pieces with sums, and is asked
//! for again until each has arrived. What the kernel says in between is none of them. `confirm.sh` is the guest's half.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::console::Console;

/// The guest's half.
const SCRIPT: &str = include_str!("confirm.sh");
/// What the shell prints when it waits for a command, whatever folder it is in.
const PROMPT: (&str, &str) = ("resdump:", "# ");
/// Most digits of a command on one line: the guest's shell takes lines of 1023 characters.
const PART: usize = 800;
/// How long a line is waited for that has no answer.
const QUIET: Duration = Duration::from_secs(3);
/// Ends a stopped output, and an empty line after removing what there is of one.
const KNOCK: &[u8] = b"\x11\x15\n";

/// The host's end of a conversation with the guest's shell.
#[derive(Default)]
pub(crate) struct Session {
    /// Of the last command.
    number: u64,
    /// What has come since the last line end.
    partial: Vec<u8>,
    /// Lines that were typed again, or asked for again.
    repeated: u64,
}

/// A command on its way.
struct Request {
    number: u64,
    parts: Vec<String>,
    /// Numbered from 1: the text, and whether the line goes on in the next.
    pieces: BTreeMap<u64, (bool, Vec<u8>)>,
    /// How many there are, and the exit status.
    end: Option<(u64, i32)>,
}

/// What the guest says, as far as it is said to the session.
#[derive(Debug, PartialEq)]
enum Said {
    /// A line did not arrive as it was typed.
    Again,
    /// A part of a command is kept.
    Kept(usize),
    /// The session's functions are not there.
    Lost,
    /// A piece of the answer to a command.
    Piece {
        command: u64,
        number: u64,
        more: bool,
        text: Vec<u8>,
    },
    /// The shell waits for a command.
    Prompt,
    /// The shell waits for the rest of one.
    Continued,
    /// The system wants to know who is there.
    Login,
}

impl Session {
    /// Lines that had to be typed, or asked for, again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Waits for the shell, and brings the guest's half to it.
    pub(crate) fn begin(&mut self, console: &mut Console, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        self.prompt(console, deadline)?;
        let digits: Vec<u8> = hex(SCRIPT).into_bytes();
        let parts = digits.chunks(PART).map(String::from_utf8_lossy);
        let mut names = String::new();
        for (index, part) in parts.enumerate() {
            write!(names, "$R{index}")?;
            // The word that the guest answers with is not in what is typed: an echo is not taken for it.
            let wanted = format!("is {}", &sum(&part)[..16]);
            loop {
                console.send_line(&format!("R{index}={part}"))?;
                console.send_line(&format!("echo is $(printf %s $R{index} | sha256sum)"))?;
                if self.line_with(console, &wanted, deadline)? {
                    break;
                }
                self.repeated += 1;
                self.prompt(console, deadline)?;
            }
        }
        let evaluate = format!("eval \"$(printf \"$(echo {names} | sed 's/../\\\\x&/g')\")\"");
        loop {
            console.send_line(&evaluate)?;
            console.send_line("echo sum $(resdump_sum begin)")?;
            let wanted = format!("sum {}", &sum("begin")[..16]);
            if self.line_with(console, &wanted, deadline)? {
                // Numbers go on where an earlier session of this start has ended.
                return Ok(());
            }
            self.repeated += 1;
            self.prompt(console, deadline)?;
        }
    }

    /// Runs a command: what it printed, and its exit status.
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
                        self.begin(console, deadline.saturating_duration_since(Instant::now()))?;
                        again = true;
                    }
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
                    return Ok(answer);
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
                            let left = deadline.saturating_duration_since(Instant::now());
                            self.begin(console, left)?;
                            again = true;
                        }
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
            if seen.contains(&format!("\n{text}")) {
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

impl Request {
    fn new(number: u64, command: &str) -> Self {
        let digits = hex(command).into_bytes();
        let mut parts: Vec<String> = digits
            .chunks(PART)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        if parts.is_empty() {
            parts.push(String::new());
        }
        Self {
            number,
            parts,
            pieces: BTreeMap::new(),
            end: None,
        }
    }

    /// What is typed when the guest has all parts but the last.
    fn line(&self) -> String {
        let (number, kept) = (self.number, self.parts.len() - 1);
        let check = sum(&format!("{number} {kept} {}", self.parts.concat()));
        let last = self.parts.last().map_or("", String::as_str);
        format!("resdump_run {number} {} {kept} {last}", &check[..16])
    }

    fn take(&mut self, number: u64, more: bool, text: Vec<u8>) -> Result<()> {
        if number > 0 {
            self.pieces.insert(number, (more, text));
            return Ok(());
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let (count, status) = text.split_once('.').context("no end of an answer")?;
        self.end = Some((
            count.parse().with_context(|| format!("pieces: {text:?}"))?,
            status
                .parse()
                .with_context(|| format!("exit status {text:?}"))?,
        ));
        Ok(())
    }

    /// The answer, when all of it has come.
    fn answer(&self) -> Option<(String, i32)> {
        let (count, status) = self.end?;
        if self.pieces.len() as u64 != count {
            return None;
        }
        let mut bytes = Vec::new();
        for (more, text) in self.pieces.values() {
            bytes.extend(text);
            if !more {
                bytes.push(b'\n');
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The guest adds a line, so that it is known whether the last of the answer had an end.
        Some((text.strip_suffix(".\n").unwrap_or(&text).to_owned(), status))
    }
}

/// What a whole line says to the session.
fn understood(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    if text == "<<AGAIN>>" {
        return Some(Said::Again);
    }
    if let Some(index) = text
        .strip_prefix("<<KEPT ")
        .and_then(|t| t.strip_suffix(">>"))
    {
        return index.parse().ok().map(Said::Kept);
    }
    if text.contains("resdump_run: not found") || text.contains("resdump_part: not found") {
        return Some(Said::Lost);
    }
    if text.ends_with(": not found") {
        return Some(Said::Again);
    }
    let rest = line.strip_prefix(b"~")?;
    let dot = rest.iter().position(|byte| *byte == b'.')?;
    let (sum, rest) = (&rest[..dot], &rest[dot + 1..]);
    let computed = rest.iter().fold(0_u64, |sum, byte| {
        (sum * 65599 + u64::from(*byte)) % 4_294_967_291
    });
    if std::str::from_utf8(sum).ok()?.parse() != Ok(computed) {
        return None;
    }
    let mut fields = rest.splitn(4, |byte| *byte == b'.');
    let mut number = || {
        std::str::from_utf8(fields.next()?)
            .ok()?
            .parse::<u64>()
            .ok()
    };
    let (command, piece, more) = (number()?, number()?, number()? == 1);
    Some(Said::Piece {
        command,
        number: piece,
        more,
        text: fields.next()?.to_vec(),
    })
}

/// What a line without an end says: something waits for what is typed.
fn waiting(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    // Some shells ask the terminal then where its cursor is.
    let text = text.trim_end_matches("\x1b[6n");
    if text.trim_start_matches('\r') == "> " {
        Some(Said::Continued)
    } else if text.ends_with(PROMPT.1) && text.contains(PROMPT.0) {
        Some(Said::Prompt)
    } else if text.ends_with("login: ") {
        Some(Said::Login)
    } else {
        None
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn sum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece as the guest prints it.
    fn piece(command: u64, number: u64, more: u64, text: &str) -> String {
        let rest = format!("{command}.{number}.{more}.{text}");
        let sum = rest.bytes().fold(0_u64, |sum, byte| {
            (sum * 65599 + u64::from(byte)) % 4_294_967_291
        });
        format!("~{sum}.{rest}")
    }

    fn give(request: &mut Request, line: &str) {
        if let Some(Said::Piece {
            number, more, text, ..
        }) = understood(line.as_bytes())
        {
            request.take(number, more, text).unwrap();
        }
    }

    #[test]
    fn an_answer_is_complete_when_each_piece_has_come_undamaged() {
        let mut request = Request::new(7, "x");
        let first = piece(7, 1, 1, "a.b");
        give(&mut request, &piece(7, 0, 0, "3.5"));
        give(&mut request, &piece(7, 3, 0, "."));
        give(&mut request, &first.replace("a.b", "a,b"));
        give(&mut request, &piece(7, 2, 0, "c"));
        assert_eq!(request.answer(), None);
        give(&mut request, &first);
        assert_eq!(request.answer(), Some(("a.bc\n".to_owned(), 5)));
        // As busybox computes it.
        assert_eq!(piece(1, 1, 0, "it's"), "~2158856700.1.1.0.it's");
    }

    #[test]
    fn a_command_that_is_too_long_for_a_line_has_parts() {
        let long = Request::new(1, &"y".repeat(1000));
        assert_eq!(long.parts.len(), 3);
        assert!(long.line().len() < 1000 && long.line().contains(" 2 79"));
        let short = Request::new(2, "id");
        let check = &sum("2 0 6964")[..16];
        assert_eq!(short.line(), format!("resdump_run 2 {check} 0 6964"));
    }

    #[test]
    fn what_the_shell_waits_for_is_seen() {
        assert_eq!(waiting(b"resdump:/root# "), Some(Said::Prompt));
        assert_eq!(waiting(b"\rresdump:/tmp# "), Some(Said::Prompt));
        assert_eq!(waiting(b"resdump:/tmp# \x1b[6n"), Some(Said::Prompt));
        assert_eq!(waiting(b"> "), Some(Said::Continued));
        assert_eq!(waiting(b"board login: "), Some(Said::Login));
        assert_eq!(waiting(b"resdump:/root# echo"), None);
        assert_eq!(understood(b"sh: resdump_rn: not found"), Some(Said::Again));
        assert_eq!(understood(b"sh: resdump_run: not found"), Some(Said::Lost));
        assert_eq!(understood(b"[   12.3] a kernel message"), None);
    }
}
