// SPDX-License-Identifier: MIT

//! `resdump verify` and `resdump show` of a recording.

use std::{io, num::NonZeroU64, ops::Range, path::Path};

use nix::errno::Errno;
use resdump_format::recording::{
    layout::segment_name,
    planner::{Cause, Event},
    summary::{Summary, Totals},
};
use serde::Serialize;

use crate::{
    advice::Doing,
    codec::format::machine::Endian,
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{ALL, Contradictions, Failed, Fault, Piece, Saved},
    text,
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

/// The recording in `folder`, which exists. Errors: there is none, or an index cannot be read.
pub(super) fn open(folder: &Path) -> Result<Saved> {
    let saved = Saved::open(folder).map_err(|failed| match failed {
        Failed::Read(path, error) if path == folder => cannot_open(folder, &error),
        failed => unreadable(failed),
    })?;
    if saved.runs.is_empty() {
        return Err(Error::new(
            ExitCode::NoRegion,
            "no recording",
            text::name(folder),
            Errno::ENOENT,
            "give a folder that 'resdump record' has recorded into",
        ));
    }
    Ok(saved)
}

/// A folder that cannot be opened.
pub(super) fn cannot_open(folder: &Path, error: &io::Error) -> Error {
    let mut error = Error::during(Doing::OpenSource, "cannot open", text::name(folder), error);
    if error.code == ExitCode::Other {
        error.code = ExitCode::NoRegion;
    }
    error
}

/// Two runs that have the same offsets are no one stream. `pieces` are in its order.
pub(super) fn expect_apart(pieces: &[Piece]) -> Result<()> {
    match pieces.windows(2).find(|pair| pair[1].from < pair[0].to) {
        None => Ok(()),
        Some(pair) => Err(Error::new(
            ExitCode::Range,
            "two runs have the same offsets",
            format!("{:#x}", pair[1].from),
            Errno::EINVAL,
            "they are no one stream: move the index and the segments of one of them to another folder",
        )),
    }
}

/// A file of a recording that cannot be read.
pub(super) fn unreadable(failed: Failed) -> Error {
    match failed {
        Failed::Read(path, error) => {
            Error::during(Doing::Read, "cannot read", text::name(&path), &error)
        }
        // Nothing takes bytes and fails but what writes them, which says so itself.
        Failed::Take(error) => Error::during(Doing::Read, "cannot read", "recording", &error),
    }
}

/// What is wrong with each run, as far as `range` of the stream is concerned.
pub(super) fn faults(saved: &Saved, range: &Range<u64>) -> Vec<Option<Fault>> {
    let runs = saved.runs.iter();
    runs.map(|(_, run)| saved.fault_of(run, range)).collect()
}

/// The worst of what is wrong with the runs.
pub(super) fn worst(saved: &Saved, faults: &[Option<Fault>]) -> Option<Error> {
    let runs = saved.runs.iter().zip(faults);
    runs.filter_map(|((number, _), fault)| Some(told(&saved.folder, *number, fault.as_ref()?)))
        .min_by_key(|error| error.code as u8)
}

/// What `--offset` and `--length` choose of the stream.
pub(super) fn range(
    offset: Option<u64>,
    length: Option<u64>,
    extent: Range<u64>,
) -> Result<Range<u64>> {
    let begin = offset.unwrap_or(extent.start);
    let end = match length {
        Some(length) => begin.saturating_add(length),
        None => extent.end,
    };
    if (extent.start..=extent.end).contains(&begin) && (begin..=extent.end).contains(&end) {
        return Ok(begin..end);
    }
    Err(Error::new(
        ExitCode::Range,
        "not in the recording",
        match length {
            Some(length) => format!("{length} bytes from {begin:#x} on"),
            None => format!("byte {begin:#x}"),
        },
        Errno::EINVAL,
        match extent.is_empty() {
            true => "it has no byte".to_owned(),
            false => format!("it has {:#x}-{:#x}", extent.start, extent.end),
        },
    ))
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

pub(super) fn told(folder: &Path, number: u64, fault: &Fault) -> Error {
    let index = format!("{}: run {number:06}", text::name(folder));
    match fault {
        Fault::Foreign => Error::new(
            ExitCode::Mismatch,
            "not the index of a recording",
            index,
            Errno::EBADMSG,
            "it was damaged, or another program made it: get it from where it was recorded, or move it away",
        ),
        Fault::Newer(version) => Error::new(
            ExitCode::Incomplete,
            "recording of a newer version",
            index,
            Errno::EPROTONOSUPPORT,
            format!(
                "its index is of version {version}: take the resdump that made it, or a newer one"
            ),
        ),
        Fault::Index(at) => Error::new(
            ExitCode::Mismatch,
            "index contradicts itself",
            index,
            Errno::EBADMSG,
            format!("at offset {at:#x} of the stream: get it from where it was recorded"),
        ),
        Fault::Segment(name) => Error::new(
            ExitCode::Mismatch,
            "segment is missing or too short",
            text::name(folder.join(name)),
            Errno::ENODATA,
            "the index has more of it: get it from where it was recorded",
        ),
        Fault::NotEnded => Error::new(
            ExitCode::Incomplete,
            "recording was not ended",
            index,
            Errno::ENODATA,
            "what its index has is proven; what may stand behind that in the last segments is not",
        ),
    }
}
