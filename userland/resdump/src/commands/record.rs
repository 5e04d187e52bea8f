// SPDX-License-Identifier: MIT

//! `resdump record`: a ring that a device fills to disk, for as long as wanted.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use recording::{layout::Gaps, planner::Flaw, proof::Ring};
use resmem_abi::abi::{CHUNK_MAX, POSITION_BOUNDED, REGION_POSITION, RingPosition};
use serde::Serialize;

use crate::{
    advice::{self, Doing},
    console::{self, Console},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::{self, Kind},
    recorder::{self, Limits, Live, Outcome, Refusal, State},
    signals::Stop,
    size,
    source::{Region, Source},
};

/// Between two lines that say how it goes.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Arguments of `record`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, or node below /dev/resmem
    region: String,

    /// Folder to record into; a second run continues in a new segment there
    folder: PathBuf,

    /// Size of a segment
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = size::parse)]
    segment: u64,

    /// End when this run has so many bytes on disk
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_size: Option<u64>,

    /// End when less would be free on the file system
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    keep_free: u64,

    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,

    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint: u64,

    /// What becomes of lost bytes: a hole in the file, left out, or the end
    #[arg(long, value_name = "HOW", default_value = "hole", value_parser = ["hole", "skip", "stop"])]
    gaps: String,

    /// Begin with up to so many bytes of those that are in the ring already
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    history: u64,

    /// Most bytes of a write [default: 4M, or a quarter of the ring]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    chunk: Option<u32>,

    /// Writes in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    depth: u32,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// How far a recording is. Bytes, unless said otherwise.
#[derive(Serialize)]
struct Going {
    event: &'static str,
    recorded: u64,
    suspect: u64,
    gap: u64,
    headroom: Option<i64>,
    occupied: u64,
    rate: u64,
}

/// What a recording came to. Bytes, unless said otherwise.
#[derive(Serialize)]
struct Report<'a> {
    region: &'a str,
    folder: String,
    first_segment: u64,
    segments: u64,
    seconds: f64,
    produced: u64,
    recorded: u64,
    suspect: u64,
    gap: u64,
    /// `gap` is the least that is missing.
    at_least: bool,
    /// It ended before bytes that are lost.
    cut: bool,
    /// Its place was used up.
    full: bool,
    headroom: Option<i64>,
    headroom_ms: Option<i64>,
    occupied: u64,
    peak_rate: u64,
    longest_write_ms: u128,
    evidence: &'static str,
}

/// Runs `record`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open(&args.region)?;
    if region.node().info().flags & REGION_POSITION == 0 {
        return Err(Error::new(
            ExitCode::Engine,
            "region has no position",
            region.name(),
            Errno::EOPNOTSUPP,
            "say in the device tree where its device's position is: resdump,position-kind and the rest of the \
             binding",
        ));
    }
    let position = region.node().position().map_err(|errno| {
        let (code, advice) = advice::of(errno, Doing::Read);
        Error::new(
            code,
            "cannot read the position",
            region.name(),
            errno,
            advice,
        )
    })?;
    let stop = Stop::on_signals()?;
    let limits = limits(args, &position)?;
    if !region.base().is_multiple_of(limits.block) {
        return Err(Error::new(
            ExitCode::Range,
            "cannot be recorded",
            region.name(),
            Errno::EINVAL,
            format!(
                "direct I/O there takes memory at multiples of {} bytes",
                limits.block
            ),
        ));
    }
    let mut live = Live::new(region.node(), args.depth).map_err(|error| {
        let errno = errno_of(&error);
        let advice = "recording takes an io_uring and memory with pages; 'resdump doctor' says what is missing";
        Error::new(ExitCode::Engine, "cannot register", region.name(), errno, advice)
    })?;
    let started = Instant::now();
    let mut line = Line::new(console, !args.quiet, position.ring);
    let folder = args.folder.display();
    let outcome = recorder::run(&mut live, &args.folder, &limits, &stop, &mut |state| {
        line.at(state);
    })
    .map_err(|refusal| refused(&refusal, &folder.to_string()))?;
    let report = report(args, region.name(), &outcome, started.elapsed(), &limits);
    tell(args, console, &report, &outcome)
}

fn limits(args: &Args, position: &RingPosition) -> Result<Limits> {
    let block = block(args)?;
    let quarter = (position.ring / 4).min(4 << 20);
    let chunk = args.chunk.map_or(quarter - quarter % block, u64::from);
    Ok(Limits {
        ring: Ring {
            size: position.ring,
            lead: position.lead,
            lag: position.lag,
        },
        max_rate: position.max_rate,
        bounded: position.flags & POSITION_BOUNDED != 0,
        patience: (position.patience != 0).then(|| Duration::from_nanos(position.patience)),
        history: args.history,
        chunk: chunk.min(CHUNK_MAX.into()),
        depth: args.depth as usize,
        block,
        segment: args.segment,
        gaps: match args.gaps.as_str() {
            "skip" => Gaps::Skip,
            "stop" => Gaps::Stop,
            _ => Gaps::Hole,
        },
        max_size: args.max_size,
        keep_free: args.keep_free,
        duration: args.duration.map(Duration::from_secs),
        checkpoint: Duration::from_secs(args.checkpoint),
    })
}

/// What direct I/O in the folder wants: asked of a file that is made there.
fn block(args: &Args) -> Result<u64> {
    let failed = |what, error: &std::io::Error| {
        Error::during(Doing::OpenTarget, what, args.folder.display(), error)
    };
    std::fs::create_dir_all(&args.folder)
        .map_err(|error| failed("cannot make the folder", &error))?;
    let probe = tempfile::tempfile_in(&args.folder)
        .map_err(|error| failed("cannot make a file", &error))?;
    let alignment = output::alignment(&probe, Kind::File)
        .map_err(|errno| failed("no direct I/O", &errno.into()))?;
    Ok(alignment.memory.max(alignment.offset).max(512).into())
}

fn refused(refusal: &Refusal, folder: &str) -> Error {
    match refusal {
        Refusal::System(what, errno) => Error::during(Doing::OpenTarget, what, folder, *errno),
        Refusal::Flaw(flaw) => {
            let what = match flaw {
                Flaw::Segment => "--segment",
                Flaw::Chunk => "--chunk",
                Flaw::Ring | Flaw::Block => "ring",
            };
            Error::new(
                ExitCode::Range,
                "cannot be recorded",
                what,
                Errno::EINVAL,
                flaw.to_string(),
            )
        }
    }
}

fn report<'a>(
    args: &Args,
    region: &'a str,
    outcome: &Outcome,
    time: Duration,
    limits: &Limits,
) -> Report<'a> {
    let account = &outcome.state.account;
    Report {
        region,
        folder: args.folder.display().to_string(),
        first_segment: outcome.first,
        segments: outcome.segments,
        seconds: time.as_secs_f64(),
        produced: outcome.state.produced,
        recorded: account.recorded,
        suspect: account.suspect,
        gap: account.gap,
        at_least: account.at_least,
        cut: account.cut,
        full: outcome.full,
        headroom: account.headroom,
        headroom_ms: account.headroom_time().map(|time| time / 1_000_000),
        occupied: account.occupied,
        peak_rate: account.peak,
        longest_write_ms: outcome.state.stall.as_millis(),
        evidence: match (account.at_least, limits.bounded) {
            (true, _) => "unknown",
            (false, true) => "bounded",
            (false, false) => "exact",
        },
    }
}

fn tell(
    args: &Args,
    console: &Console,
    report: &Report<'_>,
    outcome: &Outcome,
) -> Result<ExitCode> {
    let error = outcome.failure.map(|(what, errno)| {
        let (code, advice) = advice::of(errno, Doing::Write);
        Error::new(
            code,
            what,
            &report.folder,
            errno,
            format!("{advice}; what was recorded before is proven by the index"),
        )
    });
    if console.is_json() {
        console.object(report, error.as_ref())?;
    } else if !args.quiet {
        console.text(|out| writeln!(out, "{}", sentence(report)))?;
    }
    if let Some(error) = error {
        return Ok(console.complain(&error));
    }
    Ok(match report.suspect + report.gap == 0 && !report.cut {
        true => ExitCode::Ok,
        false => ExitCode::Gaps,
    })
}

fn sentence(report: &Report<'_>) -> String {
    let least = if report.at_least { "at least " } else { "" };
    let headroom = match (report.headroom, report.headroom_ms) {
        (Some(bytes), Some(time)) => format!("{bytes} bytes ({time} ms)"),
        (Some(bytes), None) => format!("{bytes} bytes"),
        (None, _) => "not known".to_owned(),
    };
    format!(
        "{} bytes recorded, {} suspect, {least}{} lost, {:.1} s, evidence {}, least headroom {headroom}, \
         longest write {} ms, {} segments from {:06}",
        report.recorded,
        report.suspect,
        report.gap,
        report.seconds,
        report.evidence,
        report.longest_write_ms,
        report.segments,
        report.first_segment,
    )
}

/// A line now and then, for people or for programs.
struct Line<'a> {
    console: &'a Console,
    wanted: bool,
    ring: u64,
    due: Instant,
    last: (Instant, u64),
}

impl<'a> Line<'a> {
    fn new(console: &'a Console, wanted: bool, ring: u64) -> Self {
        let now = Instant::now();
        Self {
            console,
            wanted,
            ring,
            due: now + LINE_PERIOD,
            last: (now, 0),
        }
    }

    fn at(&mut self, state: &State) {
        let now = Instant::now();
        if !self.wanted || now < self.due {
            return;
        }
        let account = &state.account;
        let (then, bytes) = self.last;
        let rate = (account.recorded - bytes) as f64 / (now - then).as_secs_f64();
        (self.due, self.last) = (now + LINE_PERIOD, (now, account.recorded));
        if self.console.is_json() {
            let going = Going {
                event: "progress",
                recorded: account.recorded,
                suspect: account.suspect,
                gap: account.gap,
                headroom: account.headroom,
                occupied: account.occupied,
                rate: rate as u64,
            };
            // The last object says whether standard output takes any.
            let _ = self.console.another().object(&going, None);
            return;
        }
        console::say(format_args!(
            "{} MB, {:.1} MB/s, ring at most {} % full, least headroom {} bytes, {} bytes lost or suspect",
            account.recorded / 1_000_000,
            rate / 1e6,
            account.occupied.saturating_mul(100) / self.ring.max(1),
            account.headroom.unwrap_or(0),
            account.gap + account.suspect,
        ));
    }
}
