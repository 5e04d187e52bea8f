// SPDX-License-Identifier: MIT

//! `resdump record`: a ring that a device fills to disk, for as long as wanted.

use std::{
    fs::TryLockError,
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use crate::{
    console::{self, Console},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    recorder::{self, Call, Feed, Filled, Limits, Live, Outcome, Refusal, Taken},
    signals::{Stop, Trigger},
    size,
    source::{Region, Source},
};

pub(super) mod limits;
mod rehearse;
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

    /// Record at each trigger ('resdump trigger', or SIGUSR1), and so many bytes behind it
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    post: Option<u64>,

    /// Bytes before the trigger, of those in the ring or kept on disk [default: 0, or all that --keep has]
    #[arg(long, value_name = "BYTES", value_parser = size::parse, requires = "post", conflicts_with = "history")]
    pre: Option<u64>,

    /// Record for ever, and keep so many of the last bytes; with --post also those around each trigger
    #[arg(long, value_name = "BYTES", value_parser = size::parse, conflicts_with_all = ["lap", "max_size"])]
    keep: Option<u64>,

    /// Record nothing: say whether the disk holds so many bytes a second [default: resdump,max-rate of the node]
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
        value_parser = size::parse, conflicts_with_all = ["history", "lap", "post"])]
    rehearse: Option<u64>,

    /// Most bytes of a write [default: a sixteenth of the ring, 4M to 16M; a quarter of a small one]
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
    let position = match args.rehearse {
        Some(_) => limits::declared(&region)?,
        None => limits::position(&region)?,
    };
    let rehearsed = args.rehearse.map(|rate| rehearse::rate(rate, &position));
    let rehearsed = rehearsed.transpose()?;
    if rehearsed.is_none() {
        limits::expect_filled(&region)?;
    }
    let stop = Stop::on_signals()?;
    // Who finds the lock of the folder or the region finds a process that handles the signal.
    let trigger = Trigger::on_signal()?;
    if rehearsed.is_none() {
        lock(&region)?;
    }
    let _made = limits::make(&args.folder)?;
    let limits = limits::limits(args, &region, &position)?;
    let mut live = live(&region, args.depth)?;
    let job = Job {
        args,
        console,
        region: region.name(),
        limits,
        stop,
        trigger,
    };
    if let Some(rate) = rehearsed {
        return rehearse::run(&job, &mut live, rate);
    }
    let taken = recorder::take(&args.folder).map_err(|refusal| job.refused(&refusal))?;
    if args.lap {
        job.stop.request();
        return job.once(&mut Filled::new(&mut live, position.ring), &taken);
    }
    match args.post.filter(|_| args.keep.is_none()) {
        None => job.once(&mut live, &taken),
        Some(_) => job.at_triggers(&mut live, &taken),
    }
}

/// Several may record a region, and none while it is played into.
fn lock(region: &Region) -> Result<()> {
    match region.file().try_lock_shared() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ExitCode::Target,
            "cannot be recorded",
            region.name(),
            Errno::EBUSY,
            "'resdump play' plays into it: end that first",
        )),
        Err(TryLockError::Error(error)) => {
            log::warn!(
                "{}: 'resdump trigger' does not find this recorder by the region: {error}",
                region.name()
            );
            Ok(())
        }
    }
}

/// The ring of `region`, registered for `depth` writes.
pub(super) fn live(region: &Region, depth: u32) -> Result<Live> {
    Live::new(region.device(), depth).map_err(|error| {
        let errno = errno_of(&error);
        let advice = "recording takes an io_uring and memory with pages; 'resdump doctor' says what is missing";
        Error::new(ExitCode::Engine, "cannot register", region.name(), errno, advice)
    })
}

/// What is asked for.
struct Job<'a> {
    args: &'a Args,
    console: &'a Console,
    region: &'a str,
    limits: Limits,
    stop: Stop,
    trigger: Trigger,
}

impl Job<'_> {
    fn once(&self, feed: &mut dyn Feed, taken: &Taken) -> Result<ExitCode> {
        let (outcome, time) = self.run(feed, taken, &self.limits)?;
        report::tell(self, self.console, &outcome, time)
    }

    /// A run at each trigger, until it is stopped or fails; an object or a line for each.
    fn at_triggers(&self, feed: &mut dyn Feed, taken: &Taken) -> Result<ExitCode> {
        let (mut events, mut code) = (0u64, ExitCode::Ok);
        if !self.args.quiet && !self.console.is_json() {
            console::say("armed: 'resdump trigger' or SIGUSR1 records");
        }
        while let Call::Trigger(since) =
            recorder::armed(feed, &self.limits, &self.stop, &self.trigger)
                .map_err(|refusal| self.refused(&refusal))?
        {
            let limits = Limits {
                since,
                ..self.limits
            };
            let (outcome, time) = self.run(feed, taken, &limits)?;
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

    fn run(
        &self,
        feed: &mut dyn Feed,
        taken: &Taken,
        limits: &Limits,
    ) -> Result<(Outcome, Duration)> {
        let Self {
            args,
            stop,
            trigger,
            console,
            ..
        } = self;
        let started = Instant::now();
        let mut line = Line::new(console, !args.quiet, limits.ring.size);
        let outcome = recorder::run(feed, taken, limits, stop, trigger, &mut |state| {
            line.at(state);
        });
        let outcome = outcome.map_err(|refusal| self.refused(&refusal))?;
        Ok((outcome, started.elapsed()))
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        limits::refused(refusal, self.region, &self.args.folder)
    }
}
