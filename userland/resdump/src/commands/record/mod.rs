// SPDX-License-Identifier: MIT

//! `resdump record`: a ring that a device fills to disk, for as long as wanted.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use crate::{
    advice::{self, Doing},
    console::{self, Console},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    recorder::{self, Feed, Filled, Limits, Live, Outcome, Refusal},
    signals::{Stop, Trigger},
    size,
    source::{Region, Source},
};

mod limits;
mod report;

use report::{Events, Line};

/// Arguments of `record`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, or node below /dev/resmem
    region: String,

    /// Folder to record into; a second run continues in a new segment there
    folder: PathBuf,

    /// Size of a segment [default: 1G, or an eighth of the room that there is]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    segment: Option<u64>,

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

    /// Record the lap that is in the ring, in its order, and end: after a crash
    #[arg(long, conflicts_with_all = ["history", "post", "duration"])]
    lap: bool,

    /// Record at each SIGUSR1, and so many bytes behind it
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    post: Option<u64>,

    /// Bytes before the signal, of those in the ring
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse, requires = "post",
        conflicts_with = "history")]
    pre: u64,

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

/// Runs `record`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open(&args.region)?;
    if !region.device().has_position() {
        return Err(Error::new(
            ExitCode::Engine,
            "region has no position",
            region.name(),
            Errno::EOPNOTSUPP,
            "say in the device tree where its device's position is: resdump,position-kind and the rest of the \
             binding",
        ));
    }
    let position = region.device().position().map_err(|error| {
        let errno = errno_of(&error);
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
    let limits = limits::limits(args, &position)?;
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
    let mut live = Live::new(region.device(), args.depth).map_err(|error| {
        let errno = errno_of(&error);
        let advice = "recording takes an io_uring and memory with pages; 'resdump doctor' says what is missing";
        Error::new(ExitCode::Engine, "cannot register", region.name(), errno, advice)
    })?;
    let job = Job {
        args,
        console,
        region: region.name(),
        limits,
        stop,
    };
    if args.lap {
        job.stop.request();
        return job.once(&mut Filled::new(&mut live, position.ring));
    }
    match args.post {
        None => job.once(&mut live),
        Some(_) => job.at_triggers(&mut live),
    }
}

/// What is asked for.
struct Job<'a> {
    args: &'a Args,
    console: &'a Console,
    region: &'a str,
    limits: Limits,
    stop: Stop,
}

impl Job<'_> {
    fn once(&self, feed: &mut dyn Feed) -> Result<ExitCode> {
        let (outcome, time) = self.run(feed, &Trigger::default())?;
        report::tell(self, self.console, &outcome, time)
    }

    /// A run at each trigger, until it is stopped or fails; an object or a line for each.
    fn at_triggers(&self, feed: &mut dyn Feed) -> Result<ExitCode> {
        let trigger = Trigger::on_signal()?;
        let (mut events, mut code) = (0u64, ExitCode::Ok);
        if !self.args.quiet && !self.console.is_json() {
            console::say("armed: SIGUSR1 records");
        }
        while recorder::armed(feed, self.limits.patience, &self.stop, &trigger)
            .map_err(|refusal| self.refused(&refusal))?
        {
            let (outcome, time) = self.run(feed, &trigger)?;
            events += 1;
            match report::tell(self, &self.console.another(), &outcome, time)? {
                ExitCode::Ok => {}
                worse => code = worse,
            }
            if outcome.failure.is_some() || outcome.full {
                break;
            }
        }
        if self.console.is_json() {
            self.console.object(&Events { events }, None)?;
        }
        Ok(code)
    }

    fn run(&self, feed: &mut dyn Feed, trigger: &Trigger) -> Result<(Outcome, Duration)> {
        let Self {
            args,
            limits,
            stop,
            console,
            ..
        } = self;
        let started = Instant::now();
        let mut line = Line::new(console, !args.quiet, limits.ring.size);
        let outcome = recorder::run(feed, &args.folder, limits, stop, trigger, &mut |state| {
            line.at(state);
        });
        let outcome = outcome.map_err(|refusal| self.refused(&refusal))?;
        Ok((outcome, started.elapsed()))
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        limits::refused(refusal, &self.args.folder.display().to_string())
    }
}
