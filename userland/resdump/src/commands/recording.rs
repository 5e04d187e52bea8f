// SPDX-License-Identifier: MIT

//! `resdump verify` and `resdump show` of a recording.

use std::path::Path;

use nix::errno::Errno;
use resdump_format::recording::{
    layout::segment_name,
    planner::{Cause, Event},
    summary::{Summary, Totals},
};
use serde::Serialize;

use crate::{
    advice::Doing,
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{Fault, Saved},
};

/// A run. Bytes and offsets of the stream.
#[derive(Serialize)]
struct Run {
    first_segment: u64,
    begin: u64,
    end: u64,
    recorded: u64,
    suspect: u64,
    gap: u64,
    at_least: bool,
    ended: bool,
    headroom: Option<i64>,
    evidence: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<Part>>,
}

/// A part, within one file. Of what is lost there is none, or one with zeroes in its place.
#[derive(Serialize)]
struct Part {
    from: u64,
    to: u64,
    what: &'static str,
    file: String,
    offset: u64,
}

#[derive(Serialize)]
struct Report {
    runs: Vec<Run>,
}

impl Run {
    fn new(number: u64, summary: &Summary, parts: bool) -> Self {
        let Totals {
            recorded,
            suspect,
            gap,
        } = summary.totals();
        let origin = summary.origin.unwrap_or_default();
        let state = summary.state.unwrap_or_default();
        let unknown = |part: &Event| {
            matches!(
                part,
                Event::Gap {
                    cause: Cause::Unknown,
                    ..
                }
            )
        };
        let at_least = state.at_least || summary.parts.iter().any(unknown);
        Self {
            first_segment: number,
            begin: origin.begin,
            end: summary
                .parts
                .last()
                .map_or(origin.begin, |part| part.range().1),
            recorded,
            suspect,
            gap,
            at_least,
            ended: summary.ended,
            headroom: state.headroom,
            evidence: match (at_least, origin.bounded) {
                (true, _) => "unknown",
                (false, true) => "bounded",
                (false, false) => "exact",
            },
            parts: parts.then(|| {
                let parts = summary.parts.iter();
                parts
                    .flat_map(|part| Part::of(part, origin.segment))
                    .collect()
            }),
        }
    }
}

impl Part {
    const WHOLE: &str = "whole";

    /// One for each segment, of `size` bytes, that it is in.
    fn of(event: &Event, size: u64) -> Vec<Self> {
        let (what, place) = match event {
            Event::Data { place, .. } => (Self::WHOLE, *place),
            Event::Suspect { place, .. } => ("suspect", *place),
            Event::Gap { cause, place, .. } => {
                let what = match cause {
                    Cause::Overrun => "lost: overrun",
                    Cause::Unknown => "lost: position unknown",
                    Cause::Write => "lost: not written",
                };
                (what, *place)
            }
        };
        let (mut from, to) = event.range();
        let mut place = place;
        let mut parts = Vec::new();
        while from < to && size > 0 {
            let offset = place % size;
            // What is lost has its place in the first file that it touches.
            let length = match event {
                Event::Gap { .. } => to - from,
                _ => (to - from).min(size - offset),
            };
            parts.push(Self {
                from,
                to: from + length,
                what,
                file: segment_name(place / size),
                offset,
            });
            (from, place) = (from + length, place + length);
        }
        parts
    }
}

/// Checks a recording against its indexes: status 0 for a whole one.
pub(super) fn verify(folder: &Path, console: &Console) -> Result<ExitCode> {
    examine(folder, console, false)
}

/// The same, with what is not whole of it.
pub(super) fn show(folder: &Path, console: &Console) -> Result<ExitCode> {
    examine(folder, console, true)
}

fn examine(folder: &Path, console: &Console, parts: bool) -> Result<ExitCode> {
    let saved = Saved::open(folder)
        .map_err(|error| Error::during(Doing::Read, "cannot read", folder.display(), &error))?;
    let runs: Vec<Run> = saved
        .runs
        .iter()
        .map(|(number, summary)| Run::new(*number, summary, parts))
        .collect();
    let faults = saved
        .runs
        .iter()
        .filter_map(|(number, run)| Some((*number, saved.fault(run)?)));
    // The worst is what counts.
    let error = faults
        .map(|(number, fault)| told(folder, number, &fault))
        .min_by_key(|error| error.code as u8);
    let lossy = runs.iter().any(|run| run.suspect + run.gap > 0);
    if console.is_json() {
        console.object(&Report { runs }, error.as_ref())?;
    } else {
        let rows: Vec<_> = runs.iter().map(row).collect();
        let heads = [
            "SEGMENT", "FROM", "TO", "RECORDED", "SUSPECT", "LOST", "EVIDENCE", "END",
        ];
        console.text(|out| {
            console::columns(&heads, &rows, out)?;
            let parts = runs.iter().filter_map(|run| run.parts.as_ref()).flatten();
            for part in parts.filter(|part| part.what != Part::WHOLE) {
                writeln!(out, "{:#x}-{:#x} {}", part.from, part.to, part.what)?;
            }
            Ok(())
        })?;
    }
    Ok(match error {
        Some(error) => console.complain(&error),
        None if lossy => ExitCode::Gaps,
        None => ExitCode::Ok,
    })
}

fn row(run: &Run) -> [String; 8] {
    let least = if run.at_least { ">=" } else { "" };
    [
        format!("{:06}", run.first_segment),
        format!("{:#x}", run.begin),
        format!("{:#x}", run.end),
        run.recorded.to_string(),
        run.suspect.to_string(),
        format!("{least}{}", run.gap),
        run.evidence.to_owned(),
        if run.ended { "yes" } else { "no" }.to_owned(),
    ]
}

fn told(folder: &Path, number: u64, fault: &Fault) -> Error {
    let index = format!("{}: run {number:06}", folder.display());
    match fault {
        Fault::Index(at) => Error::new(
            ExitCode::Mismatch,
            "index contradicts itself",
            index,
            Errno::EBADMSG,
            format!(
                "at offset {at:#x} of the stream: it was changed, or is no index of a recording"
            ),
        ),
        Fault::Segment(name) => Error::new(
            ExitCode::Mismatch,
            "segment is missing or too short",
            format!("{}/{name}", folder.display()),
            Errno::ENODATA,
            "the index has more of it: get it from where it was recorded",
        ),
        Fault::NotEnded => Error::new(
            ExitCode::Incomplete,
            "recording was not ended",
            index,
            Errno::ENODATA,
            "what the table says is proven; what may stand behind it in the last segment is not",
        ),
    }
}
