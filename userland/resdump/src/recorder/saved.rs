// SPDX-License-Identifier: MIT

//! A recording on disk.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use resdump_format::recording::{
    layout::{index_name, number, segment_name},
    planner::Event,
    summary::Summary,
};

/// A recording: its runs, in the order in which they were made.
#[derive(Debug)]
pub struct Saved {
    /// Where it is.
    pub folder: PathBuf,
    /// By the number of their first segment.
    pub runs: Vec<(u64, Summary)>,
}

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its index contradicts itself at this offset of the stream, or has no good record.
    Index(u64),
    /// A segment has not the bytes that the index says it has.
    Segment(String),
    /// It was not ended: what is not in the index is not proven.
    NotEnded,
}

impl Saved {
    /// Whether `path` is a folder with the index of a recording in it.
    pub fn is_one(path: &Path) -> bool {
        path.is_dir() && numbers(path).is_ok_and(|numbers| !numbers.is_empty())
    }

    /// Reads the indexes in `folder`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut runs = Vec::new();
        for number in numbers(folder)? {
            let index = File::open(folder.join(index_name(number)))?;
            runs.push((number, Summary::read(BufReader::new(index))?));
        }
        Ok(Self {
            folder: folder.to_owned(),
            runs,
        })
    }

    /// What is wrong with a run, if anything is.
    pub fn fault(&self, run: &Summary) -> Option<Fault> {
        let Some(origin) = run.origin else {
            return Some(Fault::Index(0));
        };
        if origin.segment == 0 {
            return Some(Fault::Index(0));
        }
        if let Some(at) = run.contradiction() {
            return Some(Fault::Index(at));
        }
        for part in &run.parts {
            let (Event::Data { from, to, place } | Event::Suspect { from, to, place }) = *part
            else {
                continue;
            };
            let Some(end) = place.checked_add(to - from) else {
                return Some(Fault::Index(from));
            };
            let last = (end - 1) / origin.segment;
            for number in place / origin.segment..=last {
                let name = segment_name(number);
                let needed = match number == last {
                    true => end - number * origin.segment,
                    false => origin.segment,
                };
                let length = fs::metadata(self.folder.join(&name)).map_or(0, |it| it.len());
                if length < needed {
                    return Some(Fault::Segment(name));
                }
            }
        }
        (!run.ended || run.tail).then_some(Fault::NotEnded)
    }
}

/// The numbers of the indexes in `folder`.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".index")) else {
            continue;
        };
        numbers.extend(number(name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
