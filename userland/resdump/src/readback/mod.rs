// SPDX-License-Identifier: MIT

//! Reads what is on a target, by direct I/O where that works: from the medium, not from the cache.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io::{self, BufReader, Seek},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use memmap2::MmapMut;

use crate::{
    codec::compare,
    codec::digest::{Algorithm, Digest, Hasher},
    codec::unpack::Unpacker,
    error::Result,
    progress::Progress,
    signals::Stop,
    source::{Pair, Source},
    span::Span,
};

mod faults;
mod open;

pub use faults::{differs, mismatch};
use faults::{ended, failed, interrupted};

/// Bytes read at a time: a larger buffer costs more to fill with pages than its requests save.
const BLOCK: usize = 1 << 20;

/// What offsets must be a multiple of for direct I/O on any disk.
const ALIGN: u64 = 4096;

/// Part of a file or device that holds a dump.
pub struct ReadBack {
    path: PathBuf,
    reader: Reader,
    progress: Progress,
    /// Whether there may be more than is to be read.
    is_part: bool,
    stop: Stop,
}

enum Reader {
    /// The bytes as they are, one run after the other.
    Plain {
        file: File,
        buffer: MmapMut,
        runs: Vec<Span>,
    },
    /// Frames, one after the other; how many bytes are in them, if that is known.
    Packed {
        from: Unpacker<BufReader<File>>,
        /// The same open file, whose position says how far it has been read.
        file: File,
        length: Option<u64>,
    },
}

impl ReadBack {
    /// The same; how far it is is shown if that is `wanted`.
    pub fn shown(self, wanted: bool) -> Self {
        let total = match &self.reader {
            Reader::Plain { runs, .. } => total(runs),
            Reader::Packed { file, .. } => file.metadata().map_or(0, |it| it.len()),
        };
        Self {
            progress: Progress::new(total, wanted),
            ..self
        }
    }

    /// Bytes that there are; `None` for a compressed file that nothing says it of.
    pub fn length(&self) -> Option<u64> {
        match &self.reader {
            Reader::Plain { runs, .. } => Some(total(runs)),
            Reader::Packed { length, .. } => *length,
        }
    }

    /// Gives all bytes to `take`, with their offset from the first; it says whether to go on. A piece
    /// does not go beyond the end of a run.
    pub fn read(&mut self, take: &mut dyn FnMut(u64, &[u8]) -> Result<bool>) -> Result<()> {
        let (path, stop, progress) = (&self.path, &self.stop, &mut self.progress);
        match &mut self.reader {
            Reader::Plain { file, buffer, runs } => {
                let mut before = 0;
                let length = total(runs);
                for run in runs {
                    let mut done = 0;
                    while done < run.length {
                        interrupted(stop, path, before + done, length)?;
                        let bytes = block(file, buffer, *run, done)
                            .map_err(|error| failed(path, error))?
                            .ok_or_else(|| ended(path, before + done, length))?;
                        if !take(before + done, bytes)? {
                            return Ok(());
                        }
                        done += bytes.len() as u64;
                        progress.at(before + done);
                    }
                    before += run.length;
                }
                Ok(())
            }
            Reader::Packed { from, file, length } => {
                let mut buffer = vec![0; BLOCK];
                let mut done = 0;
                loop {
                    interrupted(stop, path, done, length.unwrap_or(done))?;
                    // Whatever the manifest says, no more is in memory than what is written at a time.
                    let left = length.map_or(BLOCK as u64, |length| length - done);
                    if left == 0 && self.is_part {
                        return Ok(());
                    }
                    let wanted = left.min(BLOCK as u64) as usize;
                    // One more than there should be, to notice that there is.
                    let read = from
                        .fill(&mut buffer[..wanted.max(1)])
                        .map_err(|error| failed(path, error))?;
                    if read > wanted {
                        let advice = format!("it holds more than {done} bytes");
                        return Err(mismatch(path, advice));
                    }
                    if read == 0 {
                        return match length {
                            Some(length) if done < *length => Err(ended(path, done, *length)),
                            _ => Ok(()),
                        };
                    }
                    if !take(done, &buffer[..read])? {
                        return Ok(());
                    }
                    done += read as u64;
                    progress.at(file.stream_position().unwrap_or(0));
                }
            }
        }
    }

    /// The digest of all bytes.
    pub fn digest(&mut self, algorithm: Algorithm) -> Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        self.read(&mut |_, bytes| {
            hasher.update(bytes);
            Ok(true)
        })?;
        Ok(hasher.finish())
    }

    /// Compares with `source` from `offset` on; the first byte that differs, from the start of the
    /// dump.
    pub fn compare(&mut self, source: &dyn Source, offset: u64) -> Result<Option<u64>> {
        let mut expected = Vec::new();
        let mut differs = None;
        self.read(&mut |at, bytes| {
            expected.resize(bytes.len(), 0);
            source.read_at(&mut expected, offset + at)?;
            let same = expected == bytes;
            if !same {
                let first = expected.iter().zip(bytes).position(|(a, b)| a != b);
                differs = first.map(|first| at + first as u64);
            }
            Ok(same)
        })?;
        Ok(differs)
    }

    /// Compares with `other` where `pairs` say that both have the same bytes of memory; they are in
    /// the order of `mine`. Gives each run of bytes that differ to `take`: offset in this and length;
    /// it says whether to go on. A run may be given in several pieces.
    pub fn differences(
        &mut self,
        other: &dyn Source,
        pairs: &[Pair],
        take: &mut dyn FnMut(u64, u64) -> Result<bool>,
    ) -> Result<()> {
        let mut expected = Vec::new();
        let mut first = 0;
        self.read(&mut |at, bytes| {
            let end = at + bytes.len() as u64;
            while pairs
                .get(first)
                .is_some_and(|pair| pair.mine + pair.length <= at)
            {
                first += 1;
            }
            let here = pairs[first..].iter().take_while(|pair| pair.mine < end);
            for pair in here {
                let from = pair.mine.max(at);
                let length = (pair.mine + pair.length).min(end).saturating_sub(from) as usize;
                expected.resize(length, 0);
                other.read_at(&mut expected, pair.other + (from - pair.mine))?;
                let found = &bytes[(from - at) as usize..][..length];
                if !compare::runs(found, &expected, &mut |start, length| {
                    take(from + start, length)
                })? {
                    return Ok(false);
                }
            }
            Ok(first < pairs.len())
        })
    }

    /// Fails unless the digest of all bytes is `expected`.
    pub fn expect_digest(&mut self, expected: &Digest) -> Result<()> {
        let found = self.digest(expected.algorithm)?;
        if found == *expected {
            return Ok(());
        }
        Err(differs(&self.path, &found, expected))
    }

    /// Fails unless all bytes are those of `source` from `offset` on.
    pub fn expect_bytes(&mut self, source: &dyn Source, offset: u64) -> Result<()> {
        match self.compare(source, offset)? {
            None => Ok(()),
            Some(at) => Err(mismatch(
                &self.path,
                format!(
                    "first at byte {at:#x} of the dump; the medium is bad, or {} has changed since",
                    match source.region() {
                        Some(_) => "the region",
                        None => source.name(),
                    }
                ),
            )),
        }
    }
}

fn total(runs: &[Span]) -> u64 {
    runs.iter().map(|run| run.length).sum()
}

/// The next bytes of `run`; `None` when the file ends before.
fn block<'a>(
    file: &File,
    buffer: &'a mut MmapMut,
    run: Span,
    done: u64,
) -> io::Result<Option<&'a [u8]>> {
    let wanted = (run.length - done).min(BLOCK as u64) as usize;
    // Direct I/O reads whole blocks, and less at the end of a file.
    let whole = wanted.next_multiple_of(ALIGN as usize);
    let read = file
        .read_at(&mut buffer[..whole], run.offset + done)?
        .min(wanted);
    let is_short = read != wanted && !read.is_multiple_of(ALIGN as usize);
    Ok((read > 0 && !is_short).then(|| &buffer[..read]))
}

#[cfg(test)]
mod tests;
