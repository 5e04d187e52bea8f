// SPDX-License-Identifier: MIT

//! Where the bytes of a recording are, in the order in which they are played.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use nix::libc;
use resdump_format::recording::layout::segment_name;

use crate::recorder::{Piece, Saved};

/// A range of a recording's stream that is played, once or again and again. Offsets are those of what is played, from
/// 0 on.
#[derive(Debug)]
pub struct Tape {
    folder: PathBuf,
    /// Of the stream.
    range: Range<u64>,
    pieces: Vec<Piece>,
    looped: bool,
    open: Option<(u64, File)>,
}

/// A place on disk, or what was not recorded; how many bytes lie together there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Number of the segment, and the offset in its file.
    pub(super) place: Option<(u64, u64)>,
    pub(super) length: u64,
}

impl Tape {
    /// `range` of the stream of `saved`, not empty.
    pub fn new(saved: &Saved, range: Range<u64>, looped: bool) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in saved.pieces(&range) {
            match pieces.last_mut() {
                // What is proven and what is suspect of a write lie together.
                Some(last)
                    if (last.to, last.place + (last.to - last.from), last.segment)
                        == (piece.from, piece.place, piece.segment) =>
                {
                    last.to = piece.to;
                }
                _ => pieces.push(piece),
            }
        }
        Self {
            folder: saved.folder.clone(),
            range,
            pieces,
            looped,
            open: None,
        }
    }

    /// Bytes that are played.
    pub fn length(&self) -> u64 {
        match self.looped {
            true => u64::MAX / 4,
            false => self.lap(),
        }
    }

    /// Whether it is played until a signal.
    pub fn is_looped(&self) -> bool {
        self.looped
    }

    /// Bytes that are played once.
    pub fn lap(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How often everything was played before `at`, and where `at` is in the stream.
    pub(super) fn stream(&self, at: u64) -> (u64, u64) {
        (at / self.lap(), self.range.start + at % self.lap())
    }

    pub(super) fn spot(&self, at: u64) -> Spot {
        let (_, from) = self.stream(at);
        let left = self.range.end - from;
        let next = self.pieces.partition_point(|piece| piece.to <= from);
        match self.pieces.get(next) {
            Some(piece) if piece.from <= from => {
                let place = piece.place + (from - piece.from);
                let (number, offset) = (place / piece.segment, place % piece.segment);
                Spot {
                    place: Some((number, offset)),
                    length: (piece.to - from).min(piece.segment - offset),
                }
            }
            piece => Spot {
                place: None,
                length: piece.map_or(left, |piece| piece.from - from),
            },
        }
    }

    /// The segment of the first byte that was recorded, if there is one.
    pub fn first(&mut self) -> io::Result<Option<&File>> {
        match self.pieces.first() {
            Some(piece) => self.segment(piece.place / piece.segment).map(Some),
            None => Ok(None),
        }
    }

    /// A segment, for direct I/O. The last one stays open.
    pub(super) fn segment(&mut self, number: u64) -> io::Result<&File> {
        let (is, file) = match self.open.take() {
            Some((is, file)) if is == number => (is, file),
            _ => {
                let file = OpenOptions::new()
                    .read(true)
                    .custom_flags(libc::O_DIRECT)
                    .open(self.folder.join(segment_name(number)))?;
                (number, file)
            }
        };
        Ok(&self.open.insert((is, file)).1)
    }
}
