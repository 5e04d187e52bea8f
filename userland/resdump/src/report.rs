// SPDX-License-Identifier: MIT

//! The result of a transfer: the final line, and its JSON.

#![forbid(unsafe_code)]

use std::{
    fmt,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

use crate::{
    codec::compression::Compression,
    codec::digest::Digest,
    console::Console,
    engine::{Engine, Moved, Name},
    error::{Error, Result},
    exit_codes::ExitCode,
    logging,
    output::Kind,
    source::Source,
    span::Span,
    system::Taken,
};

/// Measures a transfer: wall time, and the CPU time of this process, the kernel's work for it
/// included.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    cpu: Duration,
}

impl Clock {
    /// Starts to measure.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_time(),
        }
    }

    /// Wall time since the start, in seconds.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// CPU time since the start, user and system, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_time().saturating_sub(self.cpu).as_secs_f64()
    }
}

fn cpu_time() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let time = |value: nix::sys::time::TimeVal| {
            let seconds = u64::try_from(value.tv_sec()).unwrap_or(0);
            let micros = u64::try_from(value.tv_usec()).unwrap_or(0);
            Duration::from_secs(seconds) + Duration::from_micros(micros)
        };
        time(usage.user_time()) + time(usage.system_time())
    })
}

/// The end of a `dump` or `load`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Label of the region, or path of the saved file.
    pub region: &'a str,
    /// Physical address of the region's first byte.
    pub base: Option<u64>,
    /// First byte within the region.
    pub offset: u64,
    /// Bytes asked for.
    pub length: u64,
    /// The other end.
    pub target: &'a str,
    /// What it is.
    pub target_kind: Kind,
    /// First byte within it.
    pub seek: u64,
    /// The engine that was used.
    pub engine: Name,
    /// Why it is that one.
    pub engine_reason: String,
    /// Bytes a request.
    pub chunk: u32,
    /// Requests in flight.
    pub depth: u32,
    /// Bytes on the target, a contiguous prefix.
    pub bytes: u64,
    /// Those that an earlier run had left there.
    pub resumed: u64,
    /// Bytes that went by DMA from (to) the region's own pages.
    pub direct: u64,
    /// Bytes that the CPU copied.
    pub copied: u64,
    /// How the bytes were compressed on their way.
    pub compression: Option<Compression>,
    /// Their compressed size in bytes, if they were.
    pub stored: Option<u64>,
    /// Of a snapshot: when it was taken.
    pub snapshot: Option<Taken>,
    /// Bytes that were left out as holes, because they are zero.
    pub skipped: u64,
    /// Wall time in seconds from the first request until everything was durable.
    pub seconds: f64,
    /// The part of it that was spent on waiting for durability.
    pub sync_seconds: f64,
    /// CPU time of this process in that time.
    pub cpu_seconds: f64,
    /// 10^6 bytes a second of wall time.
    pub mb_per_s: f64,
    /// Whether what was moved is durable; null where it was moved to memory by `load`.
    pub synced: Option<bool>,
    /// Whether the target is in memory: nothing there is ever durable.
    pub in_memory: bool,
    /// Digest of the region's bytes.
    pub digest: Option<Digest>,
    /// Whether the target was read back and found to be the same.
    pub verified: bool,
    /// Path of the manifest.
    pub manifest: Option<String>,
    /// Whether all that was asked for is on the target.
    pub complete: bool,
    /// Digest of the headers of the target, for its manifest.
    #[serde(skip)]
    pub headers: Option<Digest>,
    /// Why the source was not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_error: Option<String>,
}

impl<'a> Report<'a> {
    /// A report on `span` of `region` with nothing moved yet.
    pub fn new(region: &'a str, base: Option<u64>, span: Span) -> Self {
        Self {
            region,
            base,
            offset: span.offset,
            length: span.length,
            target: "",
            target_kind: Kind::File,
            seek: 0,
            engine: Name::Auto,
            engine_reason: String::new(),
            chunk: 0,
            depth: 0,
            bytes: 0,
            resumed: 0,
            direct: 0,
            copied: 0,
            compression: None,
            stored: None,
            snapshot: None,
            skipped: 0,
            seconds: 0.0,
            sync_seconds: 0.0,
            cpu_seconds: 0.0,
            mb_per_s: 0.0,
            synced: Some(false),
            in_memory: false,
            digest: None,
            verified: false,
            manifest: None,
            complete: false,
            headers: None,
            source_error: None,
        }
    }

    /// A report on `span` of `source` with nothing moved yet.
    pub fn of(source: &'a dyn Source, span: Span) -> Self {
        Self {
            snapshot: source.taken(),
            source_error: source.incomplete(),
            ..Self::new(source.name(), source.base(), span)
        }
    }

    /// Fills in the other end.
    pub fn target(&mut self, path: &'a str, kind: Kind, seek: u64) {
        self.target = path;
        self.target_kind = kind;
        self.seek = seek;
    }

    /// Fills in how it was done.
    pub fn engine(&mut self, engine: &dyn Engine) {
        let settings = engine.settings();
        self.engine = engine.name();
        self.engine_reason = engine.reason();
        self.chunk = settings.chunk;
        self.depth = settings.depth;
    }

    /// Fills in what was moved, and what was there before.
    pub fn moved(&mut self, moved: &Moved, resumed: u64) {
        self.bytes = resumed + moved.bytes;
        self.resumed = resumed;
        self.skipped = moved.skipped;
        self.direct = moved.direct;
        self.copied = moved.copied;
        self.complete = self.bytes == self.length;
    }

    /// What was moved is not known to be there any more.
    pub fn distrust(&mut self) {
        self.bytes = 0;
        self.complete = false;
    }

    /// Fills in how long it took.
    pub fn time(&mut self, clock: &Clock, sync_seconds: f64) {
        self.seconds = clock.seconds();
        self.sync_seconds = sync_seconds;
        self.cpu_seconds = clock.cpu_seconds();
        if self.seconds > 0.0 {
            self.mb_per_s = (self.bytes - self.resumed) as f64 / 1e6 / self.seconds;
        }
    }
}

impl Report<'_> {
    /// Prints the result, and `error` if there was one; the status to exit with.
    pub fn tell(&self, quiet: bool, console: &Console, error: Option<Error>) -> Result<ExitCode> {
        let printed = if console.is_json() {
            console.object(self, error.as_ref())
        } else if quiet {
            Ok(())
        } else {
            console.text(|out| writeln!(out, "{self}"))
        };
        logging::to_system(
            log::Level::Info,
            &format!("{} to {}: {self}", self.region, self.target),
        );
        match error {
            // More important than a result that cannot be printed.
            Some(error) => Ok(console.complain(&error)),
            None => printed.map(|()| ExitCode::Ok),
        }
    }
}

/// What is added to the result of what is in memory.
pub fn in_memory(is_in_memory: bool) -> &'static str {
    match is_in_memory {
        true => ", in memory, not durable",
        false => "",
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.complete {
            write!(f, "INCOMPLETE, of {} bytes: ", self.length)?;
        }
        write!(
            f,
            "{} bytes, {:.6} s, {:.1} MB/s, engine {} ({}), {} direct, {} copied",
            self.bytes,
            self.seconds,
            self.mb_per_s,
            self.engine.as_str(),
            self.engine_reason,
            self.direct,
            self.copied,
        )?;
        for (bytes, what) in [(self.skipped, "skipped"), (self.resumed, "resumed")] {
            if bytes > 0 {
                write!(f, ", {bytes} {what}")?;
            }
        }
        if let (Some(compression), Some(stored)) = (self.compression, self.stored) {
            write!(f, ", {compression} {stored} bytes")?;
        }
        if let Some(taken) = &self.snapshot {
            write!(f, ", snapshot taken in {:.6} s", taken.micros as f64 / 1e6)?;
        }
        f.write_str(match self.synced {
            _ if self.in_memory => in_memory(true),
            Some(true) => ", synced",
            Some(false) => ", not synced",
            None => "",
        })?;
        if self.verified {
            f.write_str(", verified")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, ", {digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report<'static> {
        let span = Span {
            offset: 0,
            length: 5 << 30,
        };
        let mut report = Report::new("capture", Some(0xf_c000_0000), span);
        report.target("/dev/vdb", Kind::Block, 512);
        report.engine = Name::Kernel;
        report.engine_reason = "asked for".into();
        report.moved(
            &Moved {
                bytes: 5 << 30,
                direct: 5 << 30,
                ..Moved::default()
            },
            0,
        );
        report.seconds = 2.0;
        report.mb_per_s = 2684.35456;
        report.synced = Some(true);
        report
    }

    #[test]
    fn the_final_line() {
        assert_eq!(
            report().to_string(),
            "5368709120 bytes, 2.000000 s, 2684.4 MB/s, engine kernel (asked for), \
             5368709120 direct, 0 copied, synced"
        );
    }

    #[test]
    fn what_is_in_memory_is_never_called_durable() {
        let mut report = report();
        report.in_memory = true;
        report.synced = Some(false);
        let line = report.to_string();
        assert!(line.ends_with(", in memory, not durable"), "{line}");
        assert!(!line.contains("synced"), "{line}");
    }

    #[test]
    fn an_incomplete_one_says_so_first() {
        let mut report = report();
        report.moved(
            &Moved {
                bytes: 4096,
                direct: 4096,
                ..Moved::default()
            },
            0,
        );
        assert!(
            report
                .to_string()
                .starts_with("INCOMPLETE, of 5368709120 bytes: 4096 bytes, ")
        );
    }

    #[test]
    fn json_holds_64_bit_numbers() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["base"], 0xf_c000_0000u64);
        assert_eq!(json["bytes"], 5u64 << 30);
        assert_eq!(json["engine"], "kernel");
        assert_eq!(json["target_kind"], "block");
        assert_eq!(json["complete"], true);
    }
}
