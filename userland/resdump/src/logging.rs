// SPDX-License-Identifier: MIT

//! Detail for debugging, on standard error; for unattended use also to the
//! system's log.

#![forbid(unsafe_code)]

use std::{env, io::Write, os::unix::net::UnixDatagram, process, sync::OnceLock};

use env_logger::Logger;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::text;

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";

/// Facility `daemon`.
const FACILITY: u8 = 3;

static SYSTEM: OnceLock<UnixDatagram> = OnceLock::new();

/// Starts logging: warnings, and what `RUST_LOG` or `verbose` (the number of `-v`) adds; to the
/// system's log as well if `syslog` says so.
pub fn start(verbose: u8, syslog: bool) {
    let logger = logger(verbose, env::var("RUST_LOG").ok().as_deref());
    log::set_max_level(logger.filter());
    // It is the first.
    let _ = log::set_boxed_logger(Box::new(Both(logger)));
    if syslog {
        let socket = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(SYSLOG)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => drop(SYSTEM.set(socket)),
            Err(error) => log::warn!("{SYSLOG}: {error}: is syslogd running?"),
        }
    }
}

/// What `verbose` and `directives`, of `RUST_LOG`, ask for; of the whole program the larger.
fn logger(verbose: u8, directives: Option<&str>) -> Logger {
    let builder = || {
        let mut builder = env_logger::Builder::new();
        builder.format(|out, record| {
            let (level, target) = (record.level(), record.target());
            let text = text::printable(&record.args().to_string());
            writeln!(out, "[{level:<5} {target}] {text}")
        });
        builder.filter_level(LevelFilter::Warn);
        if let Some(directives) = directives {
            builder.parse_filters(directives);
        }
        builder
    };
    let logger = builder().build();
    let asked = match verbose {
        0 => return logger,
        1 => Level::Info,
        _ => Level::Debug,
    };
    if logger.enabled(&Metadata::builder().level(asked).build()) {
        return logger;
    }
    builder().filter_level(asked.to_level_filter()).build()
}

/// Says something to the system's log, if that was asked for.
pub fn to_system(level: Level, text: &str) {
    if let Some(socket) = SYSTEM.get() {
        // A log that is full or gone is no reason to stop.
        let _ = socket.send(message(level, process::id(), text).as_bytes());
    }
}

/// As RFC 3164 has it, without the time: the log knows that.
fn message(level: Level, process: u32, text: &str) -> String {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    {
        let text = text::printable(text);
        format!("<{}>resdump[{process}]: {text}", FACILITY << 3 | severity)
    }
}

/// Standard error, and the system's log.
struct Both(Logger);

impl Log for Both {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.log(record);
        if self.0.matches(record) {
            to_system(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(logger: &Logger, target: &str, level: Level) -> bool {
        logger.enabled(&Metadata::builder().target(target).level(level).build())
    }

    #[test]
    fn verbosity_adds_and_does_not_take_away() {
        let part = "resdump::engine";
        for (verbose, directives, everywhere, engine) in [
            (0, None, Level::Warn, Level::Warn),
            (1, None, Level::Info, Level::Info),
            (2, None, Level::Debug, Level::Debug),
            (9, None, Level::Debug, Level::Debug),
            (0, Some("debug"), Level::Debug, Level::Debug),
            (1, Some("debug"), Level::Debug, Level::Debug),
            (2, Some("trace"), Level::Trace, Level::Trace),
            (1, Some("error"), Level::Info, Level::Info),
            (1, Some("resdump::engine=trace"), Level::Info, Level::Trace),
            (2, Some("resdump::engine=error"), Level::Debug, Level::Error),
        ] {
            let logger = logger(verbose, directives);
            for (target, most) in [("resdump::journal", everywhere), (part, engine)] {
                for level in Level::iter() {
                    let shown = shows(&logger, target, level);
                    assert_eq!(
                        shown,
                        level <= most,
                        "{verbose} {directives:?} {target} {level}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_message_has_facility_severity_name_and_process() {
        assert_eq!(message(Level::Error, 7, "x: y"), "<27>resdump[7]: x: y");
        assert_eq!(message(Level::Info, 7, "done"), "<30>resdump[7]: done");
    }
}
