// SPDX-License-Identifier: MIT

//! What a player reports: how far it is, each underrun, and its result.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{
    advice::{self, Doing},
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    player::{Event, Outcome, Place, State, Underrun},
    recorder,
};

/// Between two lines that say how it goes.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Underruns that the text lists. JSON has each.
const LISTED: usize = 16;

/// How far it is. Bytes, unless said otherwise.
#[derive(Serialize)]
struct Going {
    event: &'static str,
    whole: u64,
    late: u64,
    missed: u64,
    headroom: Option<i64>,
    rate: u64,
}

/// An underrun, by offsets of the stream.
#[derive(Serialize)]
struct Told {
    event: &'static str,
    what: &'static str,
    /// How often everything was played before.
    lap: u64,
    from: u64,
    to: u64,
}

/// The position was lost when this was played, by its offset in the stream.
#[derive(Serialize)]
struct Lost {
    event: &'static str,
    lap: u64,
    at: u64,
}

/// What was played.
pub(super) struct Played<'a> {
    pub(super) region: &'a str,
    pub(super) folder: String,
    pub(super) from_offset: u64,
    pub(super) to_offset: u64,
    /// Bytes of that which the recording calls suspect.
    pub(super) suspect: u64,
    pub(super) looped: bool,
    pub(super) bounded: bool,
    pub(super) time: Duration,
    pub(super) outcome: Outcome,
}

/// The result. Bytes, unless said otherwise.
#[derive(Serialize)]
struct Report<'a> {
    region: &'a str,
    folder: &'a str,
    from_offset: u64,
    to_offset: u64,
    /// The device's position at which it read the first byte.
    start: u64,
    /// The device has read all of it.
    ended: bool,
    /// The position was lost, and the device has stopped: it may have read all of it.
    stopped: bool,
    seconds: f64,
    whole: u64,
    late: u64,
    missed: u64,
    /// Ranges that are late or missed.
    underruns: u64,
    /// The position was lost: the device may have read something twice, or left it out.
    unsure: bool,
    headroom: Option<i64>,
    /// Zeroes in the place of what was not recorded.
    zeroes: u64,
    suspect: u64,
    direct: u64,
    copied: u64,
    longest_read_ms: u128,
    evidence: &'static str,
}

/// Says what happens, and keeps the first underruns for the end.
pub(super) struct Reporter<'a> {
    console: &'a Console,
    quiet: bool,
    due: Instant,
    last: (Instant, u64),
    listed: Vec<Underrun>,
    underruns: u64,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(console: &'a Console, quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            console,
            quiet,
            due: now + LINE_PERIOD,
            last: (now, 0),
            listed: Vec::new(),
            underruns: 0,
        }
    }

    pub(super) fn at(&mut self, event: &Event<'_>) {
        match event {
            Event::Turn(state) => self.progress(state),
            Event::Underrun(underrun) => self.underrun(underrun),
            Event::Lost(place) => self.lost(place),
        }
    }

    fn lost(&self, &Place { lap, at }: &Place) {
        if self.console.is_json() {
            let event = "lost";
            let _ = self
                .console
                .another()
                .object(&Lost { event, lap, at }, None);
        } else if !self.quiet {
            console::say(format_args!(
                "the position was lost at {at:#x}{}: the device may be laps further on than what is counted",
                in_lap(lap)
            ));
        }
    }

    fn underrun(&mut self, underrun: &Underrun) {
        self.underruns += 1;
        if self.listed.len() < LISTED {
            self.listed.push(*underrun);
        }
        if self.console.is_json() {
            let told = Told {
                event: "underrun",
                what: what(underrun),
                lap: underrun.lap,
                from: underrun.from,
                to: underrun.to,
            };
            // The last object says whether standard output takes any.
            let _ = self.console.another().object(&told, None);
        }
    }

    fn progress(&mut self, state: &State) {
        let now = Instant::now();
        if self.quiet || now < self.due {
            return;
        }
        let account = &state.account;
        let (then, bytes) = self.last;
        let rate = (account.whole - bytes) as f64 / (now - then).as_secs_f64();
        (self.due, self.last) = (now + LINE_PERIOD, (now, account.whole));
        if self.console.is_json() {
            let going = Going {
                event: "progress",
                whole: account.whole,
                late: account.late,
                missed: account.missed,
                headroom: account.headroom,
                rate: rate as u64,
            };
            let _ = self.console.another().object(&going, None);
            return;
        }
        console::say(format_args!(
            "{} MB, {:.1} MB/s, least headroom {}, {} bytes late or missed",
            account.whole / 1_000_000,
            rate / 1e6,
            headroom(account.headroom),
            account.late + account.missed,
        ));
    }

    /// Prints the result; the status to end with.
    pub(super) fn tell(&self, played: &Played<'_>) -> Result<ExitCode> {
        let Outcome { state, failure, .. } = &played.outcome;
        let account = &state.account;
        let report = Report {
            region: played.region,
            folder: &played.folder,
            from_offset: played.from_offset,
            to_offset: played.to_offset,
            start: played.outcome.start,
            ended: played.outcome.ended,
            stopped: played.outcome.stopped,
            seconds: played.time.as_secs_f64(),
            whole: account.whole,
            late: account.late,
            missed: account.missed,
            underruns: self.underruns,
            unsure: account.unsure,
            headroom: account.headroom,
            zeroes: state.zeroes,
            suspect: played.suspect,
            direct: state.direct,
            copied: state.copied,
            longest_read_ms: state.longest.as_millis(),
            evidence: match (account.unsure, played.bounded) {
                (true, _) => "unknown",
                (false, true) => "bounded",
                (false, false) => "exact",
            },
        };
        let error = match failure {
            Some((what, errno)) => {
                let (doing, subject) = match recorder::is_of_ring(what) {
                    true => (Doing::Position, played.region),
                    false => (Doing::Load, &*played.folder),
                };
                let (code, advice) = advice::of(*errno, doing);
                Some((code, *what, subject, *errno, advice))
            }
            // Of what has no end a signal is the end.
            None if !played.outcome.ended && !played.outcome.stopped && !played.looped => {
                let (code, advice) = advice::of(nix::errno::Errno::EINTR, Doing::Load);
                Some((
                    code,
                    "not played to its end",
                    &*played.folder,
                    nix::errno::Errno::EINTR,
                    advice,
                ))
            }
            None => None,
        };
        let error = error.map(|(code, what, subject, errno, advice)| {
            let loaded = account.whole + account.late;
            let advice = format!(
                "{advice}; {loaded} bytes were loaded, and the device may not have read the last of them"
            );
            Error::new(code, what, subject, errno, advice)
        });
        if self.console.is_json() {
            self.console.object(&report, error.as_ref())?;
        } else if !self.quiet {
            self.console.text(|out| {
                for underrun in &self.listed {
                    writeln!(out, "{}", line(underrun))?;
                }
                match self.underruns.saturating_sub(self.listed.len() as u64) {
                    0 => {}
                    more => writeln!(out, "and {more} more, which --json names")?,
                }
                writeln!(out, "{}", sentence(&report))
            })?;
        }
        Ok(match error {
            Some(error) => self.console.complain(&error),
            None if report.late + report.missed > 0 || report.unsure => ExitCode::Underruns,
            None => ExitCode::Ok,
        })
    }
}

fn what(underrun: &Underrun) -> &'static str {
    match underrun.loaded {
        true => "late",
        false => "missed",
    }
}

fn line(underrun: &Underrun) -> String {
    format!(
        "{:#x}-{:#x} {}{}",
        underrun.from,
        underrun.to,
        what(underrun),
        in_lap(underrun.lap)
    )
}

fn in_lap(lap: u64) -> String {
    match lap {
        0 => String::new(),
        lap => format!(" in lap {lap}"),
    }
}

fn headroom(headroom: Option<i64>) -> String {
    headroom.map_or_else(|| "not known".to_owned(), |bytes| format!("{bytes} bytes"))
}

fn sentence(report: &Report<'_>) -> String {
    let stopped = match report.stopped {
        true => "the device has stopped where its position is not known; ",
        false => "",
    };
    format!(
        "{stopped}{} bytes in time, {} late, {} missed, {} of them zeroes for what was not recorded, {} copied, {:.1} s, \
         evidence {}, least headroom {}, longest read {} ms",
        report.whole,
        report.late,
        report.missed,
        report.zeroes,
        report.copied,
        report.seconds,
        report.evidence,
        headroom(report.headroom),
        report.longest_read_ms,
    )
}
