// SPDX-License-Identifier: MIT

//! Standard output: text for people, or one JSON object for programs. Errors are a line on standard
//! error in both cases, and part of the object in the second.

#![forbid(unsafe_code)]

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    logging, sys,
};

/// Version of the JSON objects. Grows when a field changes its meaning or goes away, not when one is
/// added.
pub const SCHEMA: u32 = 1;

/// Where a command says what it has found or done.
#[derive(Debug)]
pub struct Console {
    command: &'static str,
    json: bool,
    /// Standard output is for something else.
    aside: bool,
}

#[derive(Serialize)]
struct Envelope<'a, T: Serialize> {
    schema: u32,
    command: &'a str,
    #[serde(flatten)]
    body: &'a T,
    error: Option<&'a Error>,
}

#[derive(Serialize)]
struct Nothing {}

impl Console {
    /// Console of `command`, as JSON or as text.
    pub fn new(command: &'static str, json: bool) -> Self {
        Self {
            command,
            json,
            aside: false,
        }
    }

    /// The same on standard error, for a command whose standard output is data.
    pub fn aside(&self) -> Self {
        Self {
            aside: true,
            ..*self
        }
    }

    /// Whether to print JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the object with `body` in it, and the error that it came to, if any.
    pub fn object<T: Serialize>(&self, body: &T, error: Option<&Error>) -> Result<()> {
        let envelope = Envelope {
            schema: SCHEMA,
            command: self.command,
            body,
            error,
        };
        self.text(|out| {
            serde_json::to_writer(&mut *out, &envelope)?;
            out.write_all(b"\n")
        })
    }

    /// Lets `write` print to standard output. A reader that has gone away is not an error.
    pub fn text(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let stream: Box<dyn Write> = if self.aside {
            Box::new(io::stderr().lock())
        } else {
            sys::standard::output().map_err(|error| {
                Error::during(Doing::Print, "cannot write", "standard output", &error)
            })?;
            Box::new(io::stdout().lock())
        };
        let mut out = io::BufWriter::new(stream);
        match write(&mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::during(
                Doing::Print,
                "cannot write",
                "standard output",
                &error,
            )),
            _ => Ok(()),
        }
    }

    /// Says what went wrong, the JSON object included, and with which status to end.
    pub fn failure(&self, error: &Error) -> ExitCode {
        if self.json {
            // The line below says what is to be said.
            let _ = self.object(&Nothing {}, Some(error));
        }
        self.complain(error)
    }

    /// Says what went wrong on standard error only, and with which status to end.
    pub fn complain(&self, error: &Error) -> ExitCode {
        say(error);
        logging::to_system(log::Level::Error, &error.to_string());
        error.code
    }
}

/// A line on standard error, in one write: those of several processes on a terminal stay whole.
/// Where it cannot be shown nobody is there to be told.
pub fn say(what: impl fmt::Display) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("resdump: {what}\n").as_bytes());
}

/// Prints a table whose columns line up.
pub fn columns<const N: usize>(
    heads: &[&str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].len())
            .chain([heads[column].len()])
            .max()
            .unwrap_or(0)
    });
    for row in std::iter::once(&heads.map(String::from)).chain(rows) {
        let line: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}
