// SPDX-License-Identifier: MIT

//! `resdump verify` and `resdump show` of a recording.

mod opened;

use std::{num::NonZeroU64, path::Path};

use nix::errno::Errno;
use resdump_format::recording::{
    layout::segment_name,
    planner::{Cause, Event},
    summary::{Summary, Totals},
};
use serde::Serialize;

use crate::{
    codec::format::machine::Endian,
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{ALL, Contradictions, Fault},
    text,
};

pub(super) use opened::{cannot_open, expect_apart, faults, open, range, told, unreadable, worst};

/// A run. Bytes and offsets of the stream.
#[derive(Serialize)]
struct Run {
    first_segment: u64,
    begin: u64,
    end: u64,
    recorded: u64,
    suspect: u64,
    gap: u64,
    /// Recorded, and gone since: what was kept were the last bytes.
    discarded: u64,
    at_least: bool,
    ended: bool,
    headroom: Option<i64>,
    evidence: &'static str,
    /// Offsets of the stream at which triggers came.
    triggers: Vec<u64>,
    /// Of words that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    contradictions: Option<Contradictions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<Part>>,
}

/// A part of the stream.
#[derive(Serialize)]
struct Part {
    from: u64,
    to: u64,
    what: &'static str,
    /// Where it is: not of what is lost, and not of a run that is damaged.
    #[serde(flatten)]
    place: Option<Place>,
}

/// Where a part is, as a whole.
#[derive(Serialize)]
struct Place {
    file: String,
    offset: u64,
}

#[derive(Serialize)]
struct Report {
    runs: Vec<Run>,
}

impl Run {
    fn new(number: u64, summary: &Summary, parts: bool, fault: Option<&Fault>) -> Self {
        let Totals {
            recorded,
            suspect,
            gap,
            discarded,
        } = summary.totals();
        let origin = summary.origin.unwrap_or_default();
        let is_whole = fault.is_none_or(|fault| *fault == Fault::NotEnded);
        let size = NonZeroU64::new(origin.segment).filter(|_| is_whole);
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
            discarded,
            at_least,
            ended: summary.ended,
            headroom: state.headroom,
            evidence: match (at_least, origin.bounded) {
                (true, _) => "unknown",
                (false, true) => "bounded",
                (false, false) => "exact",
            },
            triggers: summary.triggers.clone(),
            contradictions: None,
            parts: parts.then(|| {
                let parts = summary.parts.iter();
                parts.flat_map(|part| Part::of(part, size)).collect()
            }),
        }
    }
}

impl Part {
    const WHOLE: &str = "whole";

    /// One for each segment that it is in. `size` is that of a segment, where all that the index speaks of is there:
    /// what an index says that is damaged has no bounds.
    fn of(event: &Event, size: Option<NonZeroU64>) -> Vec<Self> {
        let (mut from, to) = event.range();
        let (what, place) = match *event {
            Event::Data { place, .. } => (Self::WHOLE, Some(place)),
            Event::Suspect { place, .. } => ("suspect", Some(place)),
            Event::Gap { cause, .. } => match cause {
                Cause::Overrun => ("lost: overrun", None),
                Cause::Unknown => ("lost: position unknown", None),
                Cause::Write => ("lost: not written", None),
                Cause::Discarded => ("discarded", None),
            },
        };
        let Some((mut place, size)) = place.zip(size) else {
            let place = None;
            return vec![Self {
                from,
                to,
                what,
                place,
            }];
        };
        let mut parts = Vec::new();
        while from < to {
            let (segment, offset) = (place / size, place % size);
            let length = (to - from).min(size.get() - offset);
            let file = segment_name(segment);
            parts.push(Self {
                from,
                to: from + length,
                what,
                place: Some(Place { file, offset }),
            });
            (from, place) = (from + length, place + length);
        }
        parts
    }
}

/// Checks a recording against its indexes: status 0 for a whole one.
pub(super) fn verify(
    folder: &Path,
    counting: Option<Endian>,
    console: &Console,
) -> Result<ExitCode> {
    examine(folder, console, false, counting)
}

/// The same, with what is not whole of it.
pub(super) fn show(folder: &Path, console: &Console) -> Result<ExitCode> {
    examine(folder, console, true, None)
}

fn examine(
    folder: &Path,
    console: &Console,
    parts: bool,
    counting: Option<Endian>,
) -> Result<ExitCode> {
    let saved = open(folder)?;
    let faults = faults(&saved, &ALL);
    let both = || saved.runs.iter().zip(&faults);
    let mut runs: Vec<Run> = both()
        .map(|((number, run), fault)| Run::new(*number, run, parts, fault.as_ref()))
        .collect();
    if let Some(order) = counting {
        for (run, ((_, summary), fault)) in runs.iter_mut().zip(both()) {
            if fault.as_ref().is_none_or(|fault| *fault == Fault::NotEnded) {
                let found = saved.contradictions(summary, order == Endian::Big);
                run.contradictions = Some(found.map_err(unreadable)?);
            }
        }
    }
    let wrong = |run: &Run| {
        let found = run.contradictions.filter(|found| found.wrong() > 0)?;
        Some(contradicted(folder, run.first_segment, &found))
    };
    let error = worst(&saved, &faults)
        .into_iter()
        .chain(runs.iter().filter_map(wrong))
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
            for run in &runs {
                if let Some(found) = &run.contradictions {
                    let words = found.words - found.wrong();
                    writeln!(out, "{:06}: {words} words are right", run.first_segment)?;
                }
            }
            for run in runs.iter().filter(|run| run.parts.is_some()) {
                for trigger in &run.triggers {
                    writeln!(out, "{trigger:#x} trigger")?;
                }
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

/// What a word that is wrong says of the device's promises.
fn contradicted(folder: &Path, number: u64, found: &Contradictions) -> Error {
    let mut causes = Vec::new();
    if found.overwritten > 0 {
        causes.push(format!("the lead is at least {} bytes", found.lead_least));
    }
    if found.stale > 0 {
        causes.push(format!("the lag is at least {} bytes", found.lag_least));
    }
    if found.other > 0 {
        causes.push(format!(
            "{} words are of no lap: they do not count, or the position is wrong",
            found.other
        ));
    }
    Error::new(
        ExitCode::Mismatch,
        "proven words are wrong",
        format!("{}: run {number:06}", text::name(folder)),
        Errno::EBADMSG,
        format!(
            "{} words, the first at {:#x}: {}",
            found.wrong(),
            found.first.unwrap_or(0),
            causes.join("; ")
        ),
    )
}
