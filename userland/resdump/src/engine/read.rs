// SPDX-License-Identifier: MIT

//! Reading from the device node into a buffer, and direct I/O from there: one copy by the CPU. It
//! works where the memory has no page structures to pin.

use std::{fs::File, io, os::unix::fs::FileExt};

use memmap2::MmapMut;

use super::{Engine, Moved, Name, Piece, Settings};
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    signals::Stop,
    source::Source,
};

/// The read engine: one request at a time.
pub(super) struct Read {
    source: File,
    /// Where the source's first byte is in it.
    start: u64,
    /// Page-aligned, as anonymous mappings are.
    buffer: MmapMut,
    settings: Settings,
}

impl Read {
    pub(super) fn new(source: &dyn Source, settings: Settings) -> Result<Self> {
        let refused = |error: io::Error| {
            Error::during(
                Doing::Pin,
                "engine not available",
                Name::Read.as_str(),
                &error,
            )
        };
        Ok(Self {
            source: source.file().try_clone().map_err(refused)?,
            start: source.start(),
            buffer: MmapMut::map_anon(settings.chunk as usize).map_err(refused)?,
            settings: Settings {
                depth: 1,
                ..settings
            },
        })
    }

    fn try_transfer(&mut self, other: &File, piece: Piece) -> io::Result<usize> {
        let length = piece.length.min(self.buffer.len() as u64) as usize;
        let bytes = &mut self.buffer[..length];
        self.source
            .read_exact_at(bytes, self.start + piece.offset)?;
        other.write_at(bytes, piece.position)
    }
}

impl Engine for Read {
    fn name(&self) -> Name {
        Name::Read
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn window(&self) -> u64 {
        self.settings.chunk.into()
    }

    fn copies(&self) -> bool {
        true
    }

    fn transfer(&mut self, other: &File, piece: Piece, _stop: &Stop) -> Moved {
        match self.try_transfer(other, piece) {
            Ok(bytes) => Moved {
                bytes: bytes as u64,
                copied: bytes as u64,
                ..Moved::default()
            },
            Err(error) => Moved {
                error: Some(errno_of(&error)),
                ..Moved::default()
            },
        }
    }
}
