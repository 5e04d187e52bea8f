// SPDX-License-Identifier: MIT

//! Opens what is to be read back.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use memmap2::MmapMut;
use nix::libc;

use super::{ALIGN, BLOCK, ReadBack, Reader};
use crate::{
    advice::Doing,
    codec::{compression::Compression, format::Range, unpack::Unpacker},
    error::{Error, Result},
    progress::Progress,
    signals::Stop,
    source::{Saved, Source},
    span::Span,
    text,
};

impl ReadBack {
    /// Opens `data` of the file or device `path`, to be read until `stop`.
    pub fn open(path: &Path, data: Span, stop: &Stop) -> Result<Self> {
        Self::open_runs(path, vec![data], stop)
    }

    /// As [`ReadBack::open`], several runs of bytes one after the other.
    pub fn open_runs(path: &Path, runs: Vec<Span>, stop: &Stop) -> Result<Self> {
        let plain = || OpenOptions::new().read(true).open(path);
        let file = match runs.iter().all(|run| run.offset.is_multiple_of(ALIGN)) {
            true => direct(path).or_else(|_| plain()),
            false => plain(),
        };
        Self::plain(path, file, runs, stop)
    }

    /// Opens the file `path`, which holds `length` bytes, compressed, and nothing else.
    pub fn open_packed(
        path: &Path,
        length: u64,
        compression: Compression,
        stop: &Stop,
    ) -> Result<Self> {
        Self::packed(path, File::open(path), Some(length), compression, stop)
    }

    /// All that can be unpacked of a compressed file, whatever is said of it.
    pub fn unpacked(saved: &Saved, compression: Compression, stop: &Stop) -> Result<Self> {
        Self::packed(saved.path(), again(saved), None, compression, stop)
    }

    /// All bytes of a saved dump, its ranges one after the other.
    pub fn of(saved: &Saved, stop: &Stop) -> Result<Self> {
        Self::part(saved, saved.ranges(), stop)
    }

    /// Some of the ranges of a saved dump; all of them if it is compressed.
    pub fn part(saved: &Saved, ranges: &[Range], stop: &Stop) -> Result<Self> {
        let path = saved.path();
        if let Some(compression) = saved.compression() {
            let whole = saved.manifest().map(|manifest| manifest.bytes);
            // Of what is not complete only so much can be unpacked.
            let part = ranges.iter().map(|range| range.stored).sum();
            let is_part = saved.takes_incomplete() && part > 0;
            let length = if is_part { Some(part) } else { whole };
            let mut part = Self::packed(path, again(saved), length, compression, stop)?;
            part.is_part = is_part;
            return Ok(part);
        }
        let runs: Vec<Span> = ranges
            .iter()
            .map(|range| Span {
                offset: range.at,
                length: range.stored,
            })
            .collect();
        let file = match runs.iter().all(|run| run.offset.is_multiple_of(ALIGN)) {
            true => direct(&name_of(saved)).or_else(|_| saved.file().try_clone()),
            false => saved.file().try_clone(),
        };
        Self::plain(path, file, runs, stop)
    }

    /// All that is in a saved dump, which is not compressed, and is not memory: its headers, and what
    /// is between its ranges; from `start` on.
    pub fn layout(saved: &Saved, start: u64, stop: &Stop) -> Result<Self> {
        let mut ranges: Vec<Range> = saved.ranges().to_vec();
        ranges.sort_by_key(|range| range.at);
        let mut runs = Vec::new();
        let mut at = start;
        for range in ranges {
            if let Some(length) = range.at.checked_sub(at).filter(|length| *length > 0) {
                runs.push(Span { offset: at, length });
            }
            at = at.max(range.at.saturating_add(range.stored));
        }
        Self::plain(saved.path(), saved.file().try_clone(), runs, stop)
    }

    fn plain(path: &Path, file: io::Result<File>, runs: Vec<Span>, stop: &Stop) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::during(Doing::Read, "cannot read back", text::name(path), &error)
        };
        Ok(Self {
            path: path.into(),
            reader: Reader::Plain {
                file: file.map_err(failed)?,
                buffer: MmapMut::map_anon(BLOCK).map_err(failed)?,
                runs,
            },
            progress: Progress::new(0, false),
            is_part: false,
            stop: stop.clone(),
        })
    }

    fn packed(
        path: &Path,
        file: io::Result<File>,
        length: Option<u64>,
        compression: Compression,
        stop: &Stop,
    ) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::during(Doing::Read, "cannot read back", text::name(path), &error)
        };
        let file = file.map_err(failed)?;
        let again = file.try_clone().map_err(failed)?;
        Ok(Self {
            path: path.into(),
            reader: Reader::Packed {
                from: Unpacker::new(BufReader::new(again), compression),
                file,
                length,
            },
            progress: Progress::new(0, false),
            is_part: false,
            stop: stop.clone(),
        })
    }
}

/// A name of the open file, whatever its path names by now.
fn name_of(saved: &Saved) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", saved.file().as_raw_fd()))
}

/// The same file, from its start.
fn again(saved: &Saved) -> io::Result<File> {
    File::open(name_of(saved)).or_else(|_| saved.file().try_clone())
}

fn direct(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
}
