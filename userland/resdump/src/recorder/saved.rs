// SPDX-License-Identifier: MIT

//! A recording on disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use crate::source::holds_recording;
use resdump_format::recording::{
    index::{RECORD, Reader, Record},
    layout::{index_name, number, segment_name},
    planner::Event,
    summary::Summary,
};

/// All of a stream.
pub const ALL: Range<u64> = 0..u64::MAX;

/// A recording: its runs, in the order in which they were made.
#[derive(Debug)]
pub struct Saved {
    /// Where it is.
    pub folder: PathBuf,
    /// By the number of their first segment.
    pub runs: Vec<(u64, Summary)>,
    /// Bytes of the segments that are there, by their numbers.
    pub(super) segments: BTreeMap<u64, u64>,
}

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its index begins with no record: it is damaged, or another program's.
    Foreign,
    /// Its index has records of this version, a later one.
    Newer(u8),
    /// Its index contradicts itself at this offset of the stream.
    Index(u64),
    /// A segment has not the bytes that the index says it has.
    Segment(String),
    /// It was not ended: what is not in the index is not proven.
    NotEnded,
}

/// Why something was not done with the bytes of a recording.
#[derive(Debug)]
pub enum Failed {
    /// A file of the recording, or its folder, cannot be read.
    Read(PathBuf, io::Error),
    /// Who wanted the bytes has failed.
    Take(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Take(error)
    }
}

impl Saved {
    /// Whether `path` is a folder with the index of a recording in it.
    pub fn is_one(path: &Path) -> bool {
        path.is_dir() && holds_recording(path)
    }

    /// Reads the indexes in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Failed> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |error| Failed::Read(path, error)
        };
        let mut runs = Vec::new();
        for number in numbers(folder, ".index").map_err(cannot(folder))? {
            runs.push((number, summary(folder, number)?));
        }
        let mut segments = BTreeMap::new();
        for number in numbers(folder, ".seg").map_err(cannot(folder))? {
            // One that cannot be looked at is not there.
            let length = fs::metadata(folder.join(segment_name(number))).map(|it| it.len());
            segments.extend(length.ok().map(|length| (number, length)));
        }
        Ok(Self {
            folder: folder.to_owned(),
            runs,
            segments,
        })
    }

    /// Its indexes, and the segments that are there.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let indexes = self.runs.iter().map(|(number, _)| index_name(*number));
        let segments = self.segments.keys().map(|number| segment_name(*number));
        indexes.chain(segments).map(|name| self.folder.join(name))
    }

    /// What is wrong with a run, if anything is.
    pub fn fault(&self, run: &Summary) -> Option<Fault> {
        self.fault_of(run, &ALL)
    }

    /// The same, where `range` of the stream alone is of interest: then a segment without bytes of it may be missing, and
    /// a run that was not ended may go on behind it.
    pub fn fault_of(&self, run: &Summary, range: &Range<u64>) -> Option<Fault> {
        if let Some(version) = run.newer {
            return Some(Fault::Newer(version));
        }
        let Some(origin) = run.origin else {
            // A power cut before the first checkpoint leaves an index without a byte.
            return match run.tail {
                true => Some(Fault::Foreign),
                false => (range.end == ALL.end).then_some(Fault::NotEnded),
            };
        };
        if origin.segment == 0 {
            return Some(Fault::Index(0));
        }
        if let Some(at) = run.contradiction() {
            return Some(Fault::Index(at));
        }
        if let Some(part) = run.parts.get(run.sound().count()) {
            return Some(Fault::Index(part.range().0));
        }
        let mut pieces = Self::pieces_of(run, range).into_iter();
        if let Some(number) = pieces.find_map(|piece| self.lacking(&piece)) {
            return Some(Fault::Segment(segment_name(number)));
        }
        let end = run.parts.last().map_or(origin.begin, |part| part.range().1);
        let later = self.runs.iter().filter_map(|(_, run)| run.origin);
        let next = later.map(|it| it.begin).filter(|it| *it > origin.begin);
        let is_touched = range.end > end && range.start < next.min().unwrap_or(ALL.end);
        (is_touched && (!run.ended || run.tail)).then_some(Fault::NotEnded)
    }
}

/// Bytes at the end of an index in which the last state is.
const LAST: u64 = 32 << 10;

/// The offset of the stream at which run `number` in `folder` ended, as far as its index says.
pub(super) fn end(folder: &Path, number: u64) -> io::Result<u64> {
    let mut index = File::open(folder.join(index_name(number)))?;
    let mut first = Reader::new(BufReader::with_capacity(RECORD, &index));
    let Some(Record::Origin(origin)) = first.next().transpose()?.map(|entry| entry.record) else {
        return Ok(0);
    };
    let at = index.metadata()?.len().saturating_sub(LAST);
    let at = at - at % RECORD as u64;
    index.seek(SeekFrom::Start(at))?;
    let number = at / RECORD as u64;
    let mut end = origin.begin;
    for entry in &mut Reader::from_record(number, BufReader::new(&index)) {
        end = end.max(match entry?.record {
            Record::Part(part) => part.range().1,
            Record::Checkpoint(state) | Record::End(state) => {
                origin.begin.saturating_add(state.produced)
            }
            _ => 0,
        });
    }
    Ok(end)
}

/// Whether the index of run `number` in `folder` begins as no index of a recorder does: it is damaged, or another
/// program's.
pub(super) fn is_foreign(folder: &Path, number: u64) -> io::Result<bool> {
    let index = File::open(folder.join(index_name(number)))?;
    let mut reader = Reader::new(BufReader::with_capacity(4096, index));
    let has_record = reader.next().transpose()?.is_some();
    Ok(!has_record && reader.has_tail() && reader.newer().is_none())
}

fn summary(folder: &Path, number: u64) -> Result<Summary, Failed> {
    let path = folder.join(index_name(number));
    let read = || Summary::read(BufReader::new(File::open(&path)?));
    read().map_err(|error| Failed::Read(path.clone(), error))
}

/// The numbers of the files in `folder` whose names have one and end so.
pub(super) fn numbers(folder: &Path, suffix: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(suffix)) else {
            continue;
        };
        numbers.extend(number(name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The place of a part on disk, if it has one, and whether it is suspect.
pub(super) fn place(part: &Event) -> Option<(u64, bool)> {
    match *part {
        Event::Data { place, .. } => Some((place, false)),
        Event::Suspect { place, .. } => Some((place, true)),
        Event::Gap { .. } => None,
    }
}
