// SPDX-License-Identifier: MIT

//! The bytes of a recording.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, path::PathBuf};

use resdump_format::recording::{layout::segment_name, planner::Event, summary::Summary};

use super::{Failed, Saved, saved::place};

/// A piece of the stream that is on disk. Its bytes follow each other there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte in the stream.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// Where `from` lies in the segments.
    pub place: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// Position of the device less offset in the stream, modulo 2^64.
    pub shift: u64,
    /// It may have been overwritten while the disk read it.
    pub suspect: bool,
}

impl Piece {
    /// The part of it that is in `range`, if there is one.
    pub(super) fn within(self, range: &Range<u64>) -> Option<Self> {
        let (from, to) = (self.from.max(range.start), self.to.min(range.end));
        (from < to).then(|| Self {
            from,
            to,
            place: self.place + (from - self.from),
            ..self
        })
    }
}

impl Saved {
    /// From the first byte of the first run to the last of the last one, offsets in the stream, without what was discarded
    /// before.
    pub fn extent(&self) -> Range<u64> {
        let begin = self.runs.iter().filter_map(|(_, run)| {
            let first = run.sound().find(|part| !part.is_discarded());
            match first {
                Some(part) => Some(part.range().0),
                None => run.origin.map(|origin| origin.begin),
            }
        });
        let end = self.runs.iter().filter_map(|(_, run)| run.sound().last());
        let begin = begin.min().unwrap_or(0);
        let end = end.map(|part| part.range().1).max().unwrap_or(0);
        begin..end.max(begin)
    }

    /// Bytes of `range` that were discarded.
    pub fn discarded(&self, range: &Range<u64>) -> u64 {
        let parts = self.runs.iter().flat_map(|(_, run)| run.sound());
        let gone = parts.filter(|part| part.is_discarded());
        gone.filter_map(|part| part.within(range))
            .map(|part| part.range().1 - part.range().0)
            .sum()
    }

    /// What is on disk of `range` as the indexes say, in the order of the stream.
    pub fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let runs = self.runs.iter();
        let mut pieces: Vec<Piece> = runs
            .flat_map(|(_, run)| Self::pieces_of(run, range))
            .collect();
        pieces.sort_by_key(|piece| piece.from);
        pieces
    }

    /// The same of one run.
    pub(super) fn pieces_of(run: &Summary, range: &Range<u64>) -> Vec<Piece> {
        let origin = run.origin.unwrap_or_default();
        let of = |part: &Event| {
            let ((place, suspect), (from, to)) = (place(part)?, part.range());
            let piece = Piece {
                from,
                to,
                place,
                segment: origin.segment,
                shift: origin.shift,
                suspect,
            };
            piece.within(range)
        };
        run.sound().filter_map(of).collect()
    }

    /// What is there of a piece: the segments that have bytes of it may be missing, or too short.
    pub fn present(&self, piece: &Piece) -> Vec<Piece> {
        let end = piece.place + (piece.to - piece.from);
        let numbers = piece.place / piece.segment..=(end - 1) / piece.segment;
        let of = |(number, length): (&u64, &u64)| {
            let begin = number * piece.segment;
            let from = piece.place.max(begin);
            let to = end.min(begin.saturating_add(piece.segment.min(*length)));
            (from < to).then(|| Piece {
                from: piece.from + (from - piece.place),
                to: piece.from + (to - piece.place),
                place: from,
                ..*piece
            })
        };
        self.segments.range(numbers).filter_map(of).collect()
    }

    /// The first segment that lacks bytes of a piece, if one does.
    pub(super) fn lacking(&self, piece: &Piece) -> Option<u64> {
        let mut at = piece.from;
        for there in self.present(piece) {
            if there.from != at {
                break;
            }
            at = there.to;
        }
        (at < piece.to).then(|| (piece.place + (at - piece.from)) / piece.segment)
    }

    /// Reads the bytes of pieces.
    pub fn reader(&self) -> Reader {
        Reader {
            folder: self.folder.clone(),
            open: None,
        }
    }
}

/// Reads segments, the last of which stays open.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    open: Option<(u64, File)>,
}

impl Reader {
    /// Gives the bytes of `piece`, in order, to `take`. `UnexpectedEof` where a segment is too short.
    pub fn read(
        &mut self,
        piece: &Piece,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Failed> {
        let (mut at, end) = (piece.place, piece.place + (piece.to - piece.from));
        while at < end {
            let (number, offset) = (at / piece.segment, at % piece.segment);
            let most = (end - at).min(piece.segment - offset);
            let length = usize::try_from(most).unwrap_or(usize::MAX);
            let length = length.min(buffer.len());
            let bytes = &mut buffer[..length];
            self.segment(number)
                .and_then(|file| file.read_exact_at(bytes, offset))
                .map_err(|error| Failed::Read(self.folder.join(segment_name(number)), error))?;
            take(bytes)?;
            at += length as u64;
        }
        Ok(())
    }

    fn segment(&mut self, number: u64) -> io::Result<&File> {
        let (is, file) = match self.open.take() {
            Some((is, file)) if is == number => (is, file),
            _ => (number, File::open(self.folder.join(segment_name(number)))?),
        };
        Ok(&self.open.insert((is, file)).1)
    }
}
