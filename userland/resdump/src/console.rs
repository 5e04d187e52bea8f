// SPDX-License-Identifier: MIT

//! Standard output: text for people, or one JSON object for programs. An error is a line on standard
//! error in both cases, and part of the object in the second.
//!
//! Where standard output is the data itself, text or object go to standard error. An object is the only
//! thing there then: it has the error in it.

#![forbid(unsafe_code)]

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    logging,
    sys::standard,
    text,
};

/// Version of the JSON objects. Grows when a field changes its meaning or goes away, not when one is
/// added.
pub const SCHEMA: u32 = 1;

/// Where a command prints what it has found or done.
#[derive(Clone, Debug)]
pub struct Console {
    command: Option<String>,
    json: bool,
    /// Standard output is for something else.
    aside: bool,
    /// Nothing is printed.
    silent: bool,
    /// Whether the one object of this run is printed; of all clones.
    printed: Arc<AtomicBool>,
}

#[derive(Serialize)]
struct Envelope<'a, T: Serialize> {
    schema: u32,
    command: Option<&'a str>,
    #[serde(flatten)]
    body: &'a T,
    error: Option<&'a Error>,
}

#[derive(Serialize)]
struct Nothing {}

impl Console {
    /// Console of `command`, as JSON or as text. `None` where the command line does not have one.
    pub fn new(command: Option<&str>, json: bool) -> Self {
        Self {
            command: command.map(str::to_owned),
            json,
            aside: false,
            silent: false,
            printed: Arc::default(),
        }
    }

    /// The same on standard error, for a command whose standard output is data.
    pub fn aside(&self) -> Self {
        Self {
            aside: true,
            ..self.clone()
        }
    }

    /// The same for one more object, of a command that reports several things one after the other: a
    /// line for each.
    pub fn another(&self) -> Self {
        Self {
            printed: Arc::default(),
            ..self.clone()
        }
    }

    /// The same, and nothing is printed: for a caller that wants the status only.
    pub fn silent(&self) -> Self {
        Self {
            silent: true,
            ..self.clone()
        }
    }

    /// Whether to print JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the object with `body` in it, and the error, if any. There is one in a
    /// run: nothing is printed after the first.
    pub fn object<T: Serialize>(&self, body: &T, error: Option<&Error>) -> Result<()> {
        if self.printed.swap(true, Ordering::Relaxed) {
            log::debug!("there is an object already");
            return Ok(());
        }
        let envelope = Envelope {
            schema: SCHEMA,
            command: self.command.as_deref(),
            body,
            error,
        };
        self.text(|out| {
            let json = text::json(serde_json::to_string(&envelope)?);
            writeln!(out, "{json}")
        })
    }

    /// Lets `write` print to standard output. A reader that has gone away is not an error.
    pub fn text(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let stream: Box<dyn Write> = if self.silent {
            Box::new(io::sink())
        } else if self.aside {
            Box::new(io::stderr().lock())
        } else {
            standard::output().map_err(|error| not_printed(&error))?;
            Box::new(io::stdout().lock())
        };
        let mut out = io::BufWriter::new(stream);
        match write(&mut out).and_then(|()| out.flush()) {
            // As of a message: there is no other place to report that.
            Err(_) if self.aside => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(not_printed(&error)),
            _ => Ok(()),
        }
    }

    /// Reports what went wrong, the JSON object included; the status to exit with.
    pub fn failure(&self, error: &Error) -> ExitCode {
        if self.json {
            // The line below has it as well.
            let _ = self.object(&Nothing {}, Some(error));
        }
        self.complain(error)
    }

    /// Reports what went wrong on standard error only; the status to exit with.
    pub fn complain(&self, error: &Error) -> ExitCode {
        let in_object = self.json && self.aside && self.printed.load(Ordering::Relaxed);
        if !in_object && !self.silent {
            say(error);
        }
        logging::to_system(log::Level::Error, &error.to_string());
        error.code
    }
}

fn not_printed(error: &io::Error) -> Error {
    Error::during(Doing::Print, "cannot write", "standard output", error)
}

/// A line on standard error, in one write: those of several processes on a terminal stay whole. A
/// failure is ignored: there is no other place to report it.
pub fn say(what: impl fmt::Display) {
    let line = text::printable(&format!("resdump: {what}"));
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// Prints a table whose columns line up.
pub fn columns<const N: usize>(
    heads: &[&str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| std::array::from_fn(|column| text::printable(&row[column])))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].len())
            .chain([heads[column].len()])
            .max()
            .unwrap_or(0)
    });
    for row in std::iter::once(&heads.map(String::from)).chain(&rows) {
        let line: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}
