// SPDX-License-Identifier: MIT

//! Detail for a person who looks for a fault, on standard error; for unattended use also to the
//! system's log.

#![forbid(unsafe_code)]

use std::{os::unix::net::UnixDatagram, process, sync::OnceLock};

use env_logger::Logger;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";

/// Facility `daemon`.
const FACILITY: u8 = 3;

static SYSTEM: OnceLock<UnixDatagram> = OnceLock::new();

/// Starts logging: warnings, and what `RUST_LOG` or `verbose` (the number of `-v`) adds; to the
/// system's log as well if `syslog` says so.
pub fn start(verbose: u8, syslog: bool) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Warn);
    builder.parse_default_env();
    match verbose {
        0 => {}
        1 => {
            builder.filter_level(LevelFilter::Info);
        }
        _ => {
            builder.filter_level(LevelFilter::Debug);
        }
    }
    let logger = builder.build();
    log::set_max_level(logger.filter());
    // Nobody has set one before.
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
    format!("<{}>resdump[{process}]: {text}", FACILITY << 3 | severity)
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

    #[test]
    fn a_message_has_facility_severity_name_and_process() {
        assert_eq!(message(Level::Error, 7, "x: y"), "<27>resdump[7]: x: y");
        assert_eq!(message(Level::Info, 7, "done"), "<30>resdump[7]: done");
    }
}
