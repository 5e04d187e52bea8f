// SPDX-License-Identifier: MIT

//! `resdump bench record`: a recording of a ring whose device is played, and the same by the ways that any program has.
//!
//! ```text
//! WAY     MB/s  CPU us/MiB  ALL us/MiB  LONGEST ms
//! record  38.9  9.1         61.3        112
//! mapped  37.2  431.0       560.2       120
//! copy    35.2  1420.7      1610.0      118
//! paced at 35.0 MB/s: 0 bytes lost, least headroom 12582912 bytes, longest write 104 ms, stall held 359 ms
//! idle: 1.0 wake-ups a second
//! ```

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use serde::Serialize;

use super::{interrupted, measure::machine_busy, report::Refused};
use crate::{
    advice::Doing,
    commands::record::{
        limits::{self, declared, plain, refused},
        live,
    },
    console::{self, Console},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    recorder::{self, Feed, Limits, Ordinary, Outcome, Played, Refusal},
    report::Clock,
    signals::{Stop, Trigger},
    size,
    source::{Region, Source},
};

/// How long an idle recorder is looked at.
const IDLE: Duration = Duration::from_secs(5);

/// Arguments of `bench record`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Label, or node below /dev/resmem, of a ring; its device need not run
    region: String,

    /// Folder on the disk; what is made in it is removed
    folder: PathBuf,

    /// Bytes that are recorded each time
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = size::parse)]
    length: u64,

    /// Most bytes of a write [default: a sixteenth of the ring, 4M to 16M; a quarter of a small one]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    chunk: Option<u32>,

    /// Size of a segment [default: as --length, up to 1G or an eighth of the room]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    segment: Option<u64>,

    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint: u64,

    /// Writes in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    depth: u32,

    /// Bytes a second of 'paced' [default: nine tenths of what was measured]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    rate: Option<u64>,

    /// What is measured, several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "record,mapped,copy,paced,idle",
        value_parser = ["record", "mapped", "copy", "paced", "idle"])]
    what: Vec<String>,
}

/// The JSON object. Bytes, unless said otherwise.
#[derive(Serialize)]
struct Report<'a> {
    region: &'a str,
    folder: String,
    ring: u64,
    length: u64,
    chunk: u64,
    depth: u32,
    ways: Vec<Way>,
    refused: Vec<Refused>,
    paced: Option<Paced>,
    idle: Option<Idle>,
}

/// As fast as the disk takes it.
#[derive(Serialize)]
struct Way {
    way: &'static str,
    mb_per_s: f64,
    cpu_us_per_mib: f64,
    machine_us_per_mib: Option<f64>,
    longest_write_ms: u64,
}

/// By a device with a rate.
#[derive(Serialize)]
struct Paced {
    rate: u64,
    recorded: u64,
    suspect: u64,
    gap: u64,
    headroom: Option<i64>,
    longest_write_ms: u64,
    /// What stall the ring holds at that rate.
    stall_ms: Option<u64>,
}

/// A device that stands still.
#[derive(Serialize)]
struct Idle {
    wakeups_per_s: f64,
}

struct Bench<'a> {
    args: &'a Args,
    region: &'a Region,
    limits: Limits,
    stop: Stop,
}

/// Runs `bench record`.
pub(super) fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open(&args.region)?;
    let position = declared(&region)?;
    let stop = Stop::on_signals()?;
    let _made = limits::make(&args.folder)?;
    let limits = plain(&region, &args.folder, &position, args.chunk, args.depth)?;
    let chunk = limits.chunk.max(1);
    let length = args.length.max(chunk);
    let bench = Bench {
        args,
        region: &region,
        limits: Limits {
            segment: args
                .segment
                .unwrap_or(limits.segment.min(length.next_multiple_of(chunk))),
            max_size: Some(length),
            checkpoint: Duration::from_secs(args.checkpoint),
            ..limits
        },
        stop,
    };
    let mut report = Report {
        region: region.name(),
        folder: args.folder.display().to_string(),
        ring: position.ring,
        length,
        chunk: limits.chunk,
        depth: args.depth,
        ways: Vec::new(),
        refused: Vec::new(),
        paced: None,
        idle: None,
    };
    for way in ["record", "mapped", "copy"] {
        if bench.wants(way) {
            match bench.way(way)? {
                Ok(way) => report.ways.push(way),
                Err(error) => report.refused.push(Refused::new(way, &error)),
            }
        }
    }
    if bench.wants("paced") {
        report.paced = Some(bench.paced(&report.ways)?);
    }
    if bench.wants("idle") {
        report.idle = Some(bench.idle()?);
    }
    if console.is_json() {
        console.object(&report, None)?;
    } else {
        console.text(|out| report.print(out))?;
    }
    Ok(ExitCode::Ok)
}

impl Bench<'_> {
    fn wants(&self, what: &str) -> bool {
        self.args.what.iter().any(|it| it == what)
    }

    /// Records with a device that is played, in a folder of its own.
    fn record(&self, feed: &mut dyn Feed, rate: Option<u64>, limits: &Limits) -> Result<Outcome> {
        let folder = &self.args.folder;
        let scratch = limits::scratch(folder)?;
        let no = |refusal: Refusal| refused(&refusal, self.region.name(), folder);
        let taken = recorder::take(scratch.path()).map_err(no)?;
        let mut played = Played::new(feed, rate);
        let (stop, trigger) = (&self.stop, Trigger::default());
        let outcome =
            recorder::run(&mut played, &taken, limits, stop, &trigger, &mut |_| {}).map_err(no)?;
        match outcome.failure {
            _ if self.stop.requested() => Err(interrupted(folder)),
            Some((what, errno)) => Err(Error::during(
                Doing::Transfer,
                what,
                folder.display(),
                errno,
            )),
            None => Ok(outcome),
        }
    }

    /// The inner error is that of a way that does not work here.
    fn way(&self, way: &'static str) -> Result<Result<Way>> {
        let (mut live_ring, mut ordinary);
        let feed: &mut dyn Feed = match way {
            "record" => {
                live_ring = live(self.region, self.args.depth)?;
                &mut live_ring
            }
            _ => {
                let (device, chunk) = (self.region.device(), self.limits.chunk);
                match Ordinary::new(device, self.args.depth, chunk, way == "copy") {
                    Ok(feed) => ordinary = feed,
                    Err(error) => {
                        let errno = errno_of(&error);
                        return Ok(Err(Error::during(
                            Doing::Pin,
                            "engine not available",
                            way,
                            errno,
                        )));
                    }
                }
                &mut ordinary
            }
        };
        let (busy, clock) = (machine_busy(), Clock::start());
        let outcome = match self.record(feed, None, &self.limits) {
            Ok(outcome) => outcome,
            Err(error) if matches!(error.errno, Errno::EFAULT | Errno::EOPNOTSUPP) => {
                return Ok(Err(error));
            }
            Err(error) => return Err(error),
        };
        let (seconds, cpu) = (clock.seconds(), clock.cpu_seconds());
        let machine = machine_busy()
            .zip(busy)
            .map(|(after, before)| after.saturating_sub(before).as_secs_f64());
        let bytes = outcome.state.account.recorded as f64;
        let mib = bytes / f64::from(1 << 20);
        Ok(Ok(Way {
            way,
            mb_per_s: bytes / 1e6 / seconds,
            cpu_us_per_mib: cpu * 1e6 / mib,
            machine_us_per_mib: machine.map(|all| all * 1e6 / mib),
            longest_write_ms: milliseconds(&outcome),
        }))
    }

    fn paced(&self, ways: &[Way]) -> Result<Paced> {
        let measured = ways.iter().find(|way| way.way == "record");
        let rate = match (self.args.rate, measured) {
            (Some(rate @ 1..), _) => rate,
            (None, Some(way)) => ((way.mb_per_s * 0.9e6) as u64).max(1),
            (Some(0), _) => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "cannot be recorded",
                    "--rate",
                    Errno::EINVAL,
                    "a device without a rate never writes --length bytes: '--what idle' measures one that stands still",
                ));
            }
            (None, None) => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "cannot be recorded",
                    "--what",
                    Errno::EINVAL,
                    "'paced' takes 'record' as well, or --rate",
                ));
            }
        };
        let outcome = self.record(
            &mut live(self.region, self.args.depth)?,
            Some(rate),
            &self.limits,
        )?;
        let account = &outcome.state.account;
        Ok(Paced {
            rate,
            recorded: account.recorded,
            suspect: account.suspect,
            gap: account.gap,
            headroom: account.headroom,
            longest_write_ms: milliseconds(&outcome),
            stall_ms: self.limits.stall_held(rate).map(|time| time as u64),
        })
    }

    fn idle(&self) -> Result<Idle> {
        let limits = Limits {
            duration: Some(IDLE),
            ..self.limits
        };
        let begun = Instant::now();
        let mut live = live(self.region, self.args.depth)?;
        let outcome = self.record(&mut live, Some(0), &limits)?;
        Ok(Idle {
            wakeups_per_s: outcome.state.wakeups as f64 / begun.elapsed().as_secs_f64(),
        })
    }
}

fn milliseconds(outcome: &Outcome) -> u64 {
    outcome.state.stall.as_millis() as u64
}

impl Report<'_> {
    fn print(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let rows: Vec<[String; 5]> = self
            .ways
            .iter()
            .map(|way| {
                [
                    way.way.to_owned(),
                    format!("{:.1}", way.mb_per_s),
                    format!("{:.1}", way.cpu_us_per_mib),
                    way.machine_us_per_mib
                        .map_or("-".to_owned(), |all| format!("{all:.1}")),
                    way.longest_write_ms.to_string(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            let heads = ["WAY", "MB/s", "CPU us/MiB", "ALL us/MiB", "LONGEST ms"];
            console::columns(&heads, &rows, out)?;
        }
        for refused in &self.refused {
            writeln!(out, "not measured: {}", refused.line)?;
        }
        if let Some(paced) = &self.paced {
            let or_none = |number: Option<String>| number.unwrap_or_else(|| "not known".to_owned());
            writeln!(
                out,
                "paced at {:.1} MB/s: {} bytes lost or suspect, least headroom {} bytes, longest write {} ms, \
                 stall held {} ms",
                paced.rate as f64 / 1e6,
                paced.suspect + paced.gap,
                or_none(paced.headroom.map(|bytes| bytes.to_string())),
                paced.longest_write_ms,
                or_none(paced.stall_ms.map(|time| time.to_string())),
            )?;
        }
        if let Some(idle) = &self.idle {
            writeln!(out, "idle: {:.1} wake-ups a second", idle.wakeups_per_s)?;
        }
        Ok(())
    }
}
