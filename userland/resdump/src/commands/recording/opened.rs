// SPDX-License-Identifier: MIT

//! A recording that a command has opened, and what is wrong with it.

use std::{io, ops::Range, path::Path};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{Failed, Fault, Piece, Saved},
    text,
};

/// The recording in `folder`, which exists. Errors: there is none, or an index cannot be read.
pub(in crate::commands) fn open(folder: &Path) -> Result<Saved> {
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
pub(in crate::commands) fn cannot_open(folder: &Path, error: &io::Error) -> Error {
    let mut error = Error::during(Doing::OpenSource, "cannot open", text::name(folder), error);
    if error.code == ExitCode::Other {
        error.code = ExitCode::NoRegion;
    }
    error
}

/// Two runs that have the same offsets are no one stream. `pieces` are in its order.
pub(in crate::commands) fn expect_apart(pieces: &[Piece]) -> Result<()> {
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
pub(in crate::commands) fn unreadable(failed: Failed) -> Error {
    match failed {
        Failed::Read(path, error) => {
            Error::during(Doing::Read, "cannot read", text::name(&path), &error)
        }
        // Nothing takes bytes and fails but what writes them, which says so itself.
        Failed::Take(error) => Error::during(Doing::Read, "cannot read", "recording", &error),
    }
}

/// What is wrong with each run, as far as `range` of the stream is concerned.
pub(in crate::commands) fn faults(saved: &Saved, range: &Range<u64>) -> Vec<Option<Fault>> {
    let runs = saved.runs.iter();
    runs.map(|(_, run)| saved.fault_of(run, range)).collect()
}

/// The worst of what is wrong with the runs.
pub(in crate::commands) fn worst(saved: &Saved, faults: &[Option<Fault>]) -> Option<Error> {
    let runs = saved.runs.iter().zip(faults);
    runs.filter_map(|((number, _), fault)| Some(told(&saved.folder, *number, fault.as_ref()?)))
        .min_by_key(|error| error.code as u8)
}

/// What `--offset` and `--length` choose of the stream.
pub(in crate::commands) fn range(
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

pub(in crate::commands) fn told(folder: &Path, number: u64, fault: &Fault) -> Error {
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
