// SPDX-License-Identifier: MIT

//! What a recording reports: how far it is, and its result.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Job;
use crate::{
    advice::{self, Doing},
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{self, Outcome, State},
};

/// Between two lines that say how it goes.
const LINE_PERIOD: Duration = Duration::from_secs(5);

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

/// The end of a recorder that waits for triggers.
#[derive(Serialize)]
pub(super) struct Events {
    /// Triggers that were recorded, each an object before this one.
    pub(super) events: u64,
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
    /// Of what was recorded: not on disk any more.
    discarded: u64,
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
    wakeups: u64,
    evidence: &'static str,
    /// Bytes a second of a device that was played, and what stall of the disk the ring holds then.
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stall_ms: Option<u64>,
}

fn report<'a>(job: &Job<'a>, outcome: &Outcome, time: Duration) -> Report<'a> {
    let account = &outcome.state.account;
    Report {
        region: job.region,
        folder: job.args.folder.display().to_string(),
        first_segment: outcome.first,
        segments: outcome.segments,
        seconds: time.as_secs_f64(),
        produced: outcome.state.produced,
        recorded: account.recorded,
        suspect: account.suspect,
        gap: account.gap,
        discarded: outcome.discarded,
        at_least: account.at_least,
        cut: account.cut,
        full: outcome.full,
        headroom: account.headroom,
        headroom_ms: account.headroom_time().map(|time| time / 1_000_000),
        occupied: account.occupied,
        peak_rate: account.peak,
        longest_write_ms: outcome.state.stall.as_millis(),
        wakeups: outcome.state.wakeups,
        rehearsed: None,
        stall_ms: None,
        evidence: match (account.at_least, job.limits.bounded) {
            (true, _) => "unknown",
            (false, true) => "bounded",
            (false, false) => "exact",
        },
    }
}

/// Prints what a run came to; the status to end with.
pub(super) fn tell(
    job: &Job<'_>,
    console: &Console,
    outcome: &Outcome,
    time: Duration,
) -> Result<ExitCode> {
    tell_with(job, console, outcome, report(job, outcome, time))
}

/// As [`tell`], of a device that was played at `rate` bytes a second.
pub(super) fn tell_rehearsed(
    job: &Job<'_>,
    outcome: &Outcome,
    time: Duration,
    rate: u64,
) -> Result<ExitCode> {
    let report = Report {
        rehearsed: Some(rate),
        stall_ms: job.limits.stall_held(rate).map(|time| time as u64),
        ..report(job, outcome, time)
    };
    tell_with(job, job.console, outcome, report)
}

fn tell_with(
    job: &Job<'_>,
    console: &Console,
    outcome: &Outcome,
    report: Report<'_>,
) -> Result<ExitCode> {
    let report = &report;
    let error = outcome.failure.map(|(what, errno)| {
        let (doing, subject) = match recorder::is_of_ring(what) {
            true => (Doing::Position, report.region),
            false => (Doing::Write, &*report.folder),
        };
        let (code, advice) = advice::of(errno, doing);
        Error::new(
            code,
            what,
            subject,
            errno,
            format!("{advice}; what was recorded before is proven by the index"),
        )
    });
    if console.is_json() {
        console.object(report, error.as_ref())?;
    } else if !job.args.quiet {
        console.text(|out| {
            writeln!(out, "{}", sentence(report))?;
            match report.rehearsed {
                Some(rate) => writeln!(out, "{}", verdict(report, rate)),
                None => Ok(()),
            }
        })?;
    }
    if let Some(error) = error {
        return Ok(console.complain(&error));
    }
    Ok(match report.suspect + report.gap == 0 && !report.cut {
        true => ExitCode::Ok,
        false => ExitCode::Gaps,
    })
}

/// What a rehearsal says of the disk.
fn verdict(report: &Report<'_>, rate: u64) -> String {
    let lossy = report.suspect + report.gap > 0;
    let held = report
        .stall_ms
        .map_or_else(|| "no".to_owned(), |time| format!("a {time} ms"));
    let verdict = match lossy {
        true => "not held: a larger ring, a faster disk or a lower rate",
        false => "held",
    };
    format!(
        "{rate} bytes a second: {verdict}; the ring holds {held} stall, the longest write took {} ms",
        report.longest_write_ms
    )
}

fn sentence(report: &Report<'_>) -> String {
    let least = if report.at_least { "at least " } else { "" };
    let headroom = match (report.headroom, report.headroom_ms) {
        (Some(bytes), Some(time)) => format!("{bytes} bytes ({time} ms)"),
        (Some(bytes), None) => format!("{bytes} bytes"),
        (None, _) => "not known".to_owned(),
    };
    let discarded = match report.discarded {
        0 => String::new(),
        bytes => format!(", {bytes} discarded"),
    };
    format!(
        "{} bytes recorded, {} suspect, {least}{} lost{discarded}, {:.1} s, evidence {}, least headroom {headroom}, \
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
pub(super) struct Line<'a> {
    console: &'a Console,
    wanted: bool,
    ring: u64,
    due: Instant,
    last: (Instant, u64),
}

impl<'a> Line<'a> {
    pub(super) fn new(console: &'a Console, wanted: bool, ring: u64) -> Self {
        let now = Instant::now();
        Self {
            console,
            wanted,
            ring,
            due: now + LINE_PERIOD,
            last: (now, 0),
        }
    }

    pub(super) fn at(&mut self, state: &State) {
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
