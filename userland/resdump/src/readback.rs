// SPDX-License-Identifier: MIT

//! Reads what is on a target, by direct I/O where that works: from the medium, not from the cache.

#![forbid(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Seek},
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use memmap2::MmapMut;
use nix::{errno::Errno, libc};

use crate::{
    advice::Doing,
    codec::compare,
    codec::compression::Compression,
    codec::digest::{Algorithm, Digest, Hasher},
    codec::format::Range,
    codec::unpack::Unpacker,
    error::{Error, Result},
    exit_codes::ExitCode,
    progress::Progress,
    signals::Stop,
    source::{Pair, Saved, Source},
    span::Span,
    text,
};

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
                        check(stop, path, before + done, length)?;
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
                    check(stop, path, done, length.unwrap_or(done))?;
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

fn check(stop: &Stop, path: &Path, done: u64, length: u64) -> Result<()> {
    if !stop.requested() {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::Interrupted,
        "read back in part",
        text::name(path),
        Errno::EINTR,
        format!("stopped by a signal; {done} of {length} bytes"),
    ))
}

fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => mismatch(path, "it cannot be unpacked".into()),
        io::ErrorKind::UnexpectedEof => Error::new(
            ExitCode::Incomplete,
            "file is too short",
            text::name(path),
            Errno::ENODATA,
            "it ends within what is compressed",
        ),
        _ => Error::during(Doing::Read, "cannot read back", text::name(path), &error),
    }
}

fn ended(path: &Path, done: u64, length: u64) -> Error {
    Error::new(
        ExitCode::Incomplete,
        "file is too short",
        text::name(path),
        Errno::ENODATA,
        format!("it ends after {done} of {length} bytes"),
    )
}

/// Why the dump in `path`, whose digest was found, is not what it should be.
pub fn differs(path: &Path, found: &Digest, expected: &Digest) -> Error {
    let advice = format!("it has {found}, and should have {expected}");
    mismatch(path, advice)
}

pub(crate) fn mismatch(path: &Path, advice: String) -> Error {
    Error::new(
        ExitCode::Mismatch,
        "dump differs",
        text::name(path),
        Errno::EBADMSG,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{codec::compression::BLOCK_MAX, source::How};

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n / 5 * 3) as u8).collect()
    }

    /// A file of `length` bytes with `dump` at `start`.
    fn read_back(dump: &[u8], start: usize, length: u64) -> (tempfile::TempDir, ReadBack) {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let path = folder.path().join("dump");
        fs::write(&path, [&vec![0; start][..], dump].concat()).unwrap();
        let data = Span {
            offset: start as u64,
            length,
        };
        let read_back = ReadBack::open(&path, data, &Stop::default()).unwrap();
        (folder, read_back)
    }

    #[test]
    fn a_dump_of_any_length_and_place_has_its_digest() {
        for (start, length) in [(0, 1), (4096, (2 << 20) + 5), (32, 5000), (8192, 4096)] {
            let dump = bytes(length);
            let (_folder, mut read_back) = read_back(&dump, start, length as u64);
            let mut hasher = Hasher::new(Algorithm::Crc32c);
            hasher.update(&dump);
            read_back.expect_digest(&hasher.finish()).unwrap();
        }
    }

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let dump = bytes((1 << 20) + 4096);
        let (folder, mut read_back) = read_back(&dump, 0, dump.len() as u64);
        let mut other = dump.clone();
        other[(1 << 20) + 77] ^= 1;
        fs::write(folder.path().join("source"), &other).unwrap();
        let source = Saved::open(&folder.path().join("source"), &How::default()).unwrap();
        assert_eq!(read_back.compare(&source, 0).unwrap(), Some((1 << 20) + 77));
        let error = read_back.expect_bytes(&source, 0).unwrap_err();
        assert_eq!(error.code, ExitCode::Mismatch);
    }

    #[test]
    fn a_compressed_file_ends_where_it_ends_and_is_unpacked_block_by_block() {
        for compression in [Compression::Zstd, Compression::Lz4] {
            let folder = tempfile::TempDir::new_in(".").unwrap();
            let path = folder.path().join("dump");
            let code = |bytes: &[u8], length| {
                fs::write(&path, compression.pack(bytes).unwrap()).unwrap();
                let mut packed =
                    ReadBack::open_packed(&path, length, compression, &Stop::default()).unwrap();
                packed
                    .digest(Algorithm::Crc32c)
                    .err()
                    .map(|error| error.code)
            };
            assert_eq!(code(&bytes(5000), u64::MAX), Some(ExitCode::Incomplete));
            assert_eq!(code(&bytes(5000), 5001), Some(ExitCode::Incomplete));
            assert_eq!(code(&bytes(5000), 4999), Some(ExitCode::Mismatch));
            assert_eq!(code(&bytes(5000), 5000), None);
            let large = vec![7; BLOCK_MAX + 1];
            assert_eq!(code(&large, large.len() as u64), None);
        }
    }

    #[test]
    fn a_signal_ends_it() {
        let (_folder, mut read_back) = read_back(&bytes(4096), 0, 4096);
        read_back.stop.request();
        let error = read_back.digest(Algorithm::Crc32c).unwrap_err();
        assert_eq!(error.code, ExitCode::Interrupted);
    }

    #[test]
    fn a_file_that_is_too_short_is_incomplete() {
        for length in [4096, 5000] {
            let (_folder, mut read_back) = read_back(&bytes(length), 0, 9000);
            let error = read_back.digest(Algorithm::Crc32c).unwrap_err();
            assert_eq!(error.code, ExitCode::Incomplete);
        }
    }
}
