// SPDX-License-Identifier: MIT

//! A window that follows a transfer along a file too large to be mapped at once.

use std::{fs::File, io, sync::Arc};

use nix::errno::Errno;
use resmem::{Mapping, Ring};

use super::{Moved, Piece};

/// Bytes mapped at a time: large against the cost of a system call, small against the address space
/// of a 32-bit process.
const WINDOW: u64 = 64 << 20;

/// Maps part of a file, on demand. What is in flight keeps its part mapped.
pub(super) struct Window {
    file: File,
    /// Offset in `file` of byte 0 of the source.
    base: u64,
    /// End of the span, in offsets of `file`.
    end: u64,
    mapping: Option<Arc<Mapping>>,
}

impl Window {
    /// A window on `file` that never maps beyond `end`; the source starts at `base`.
    pub(super) fn new(file: File, base: u64, end: u64) -> Self {
        Self {
            file,
            base,
            end,
            mapping: None,
        }
    }

    /// Maps the source's byte `offset`, and the last one, to learn whether that is allowed: a region
    /// that begins or ends within a page cannot be mapped there.
    pub(super) fn probe(&self, offset: u64) -> io::Result<()> {
        Mapping::new(&self.file, self.base + offset, 1)?;
        Mapping::new(&self.file, self.end - 1, 1).map(drop)
    }

    /// Writes `piece`, which is at most one request, to `target`.
    pub(super) fn write(&mut self, target: &File, piece: Piece) -> Moved {
        match self.try_write(target, piece) {
            Ok(bytes) => Moved {
                bytes: bytes as u64,
                ..Moved::default()
            },
            Err(error) => Moved::failed(&error),
        }
    }

    fn try_write(&mut self, target: &File, piece: Piece) -> io::Result<usize> {
        let length = request(piece);
        self.mapping(piece)?
            .write_at(self.base + piece.offset, length, target, piece.position)
    }

    /// Begins to write `piece`, which is at most one request, to `target`.
    pub(super) fn begin(
        &mut self,
        ring: &mut Ring,
        target: &Arc<File>,
        piece: Piece,
    ) -> io::Result<usize> {
        let slot = ring.free().ok_or(Errno::EBUSY)?;
        let mapping = self.mapping(piece)?;
        let from = self.base + piece.offset;
        ring.write(slot, &mapping, from, request(piece), target, piece.position)?;
        Ok(slot)
    }

    /// A mapping that holds `piece`.
    fn mapping(&mut self, piece: Piece) -> io::Result<Arc<Mapping>> {
        let from = self.base + piece.offset;
        let length = request(piece);
        let mapping = match self.mapping.take() {
            Some(mapping) if mapping.covers(from, length.into()) => mapping,
            other => {
                // Gives the address space back before it asks for more.
                drop(other);
                let size = (self.end - from).min(WINDOW.max(length.into()));
                let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
                log::debug!("mapping {size} bytes from {from:#x}");
                Arc::new(Mapping::new(&self.file, from, size)?)
            }
        };
        Ok(Arc::clone(self.mapping.insert(mapping)))
    }
}

/// Length of a piece that is at most one request.
fn request(piece: Piece) -> u32 {
    u32::try_from(piece.length).unwrap_or(u32::MAX)
}
