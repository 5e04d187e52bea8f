// SPDX-License-Identifier: MIT

//! The module moves the bytes: direct I/O from the region's own pages.

use std::{fs::File, os::fd::AsFd};

use resmem::{
    Direction, Region,
    abi::{TRANSFER_STRICT, Transfer},
};

use super::{Engine, Moved, Name, Piece, Settings};
use crate::{error::errno_of, signals::Stop};

/// What one command moves at least, so that a signal or a progress display is never far away, and
/// the gap between two commands does not show.
const WINDOW_MIN: u64 = 64 << 20;

/// The kernel engine.
pub struct Kernel<'a> {
    region: &'a Region,
    direction: Direction,
    settings: Settings,
    /// Refuse to copy.
    strict: bool,
}

impl<'a> Kernel<'a> {
    /// From the region to a file; `strict` refuses what would have to be copied.
    pub fn dump(region: &'a Region, settings: Settings, strict: bool) -> Self {
        Self {
            region,
            direction: Direction::Dump,
            settings,
            strict,
        }
    }

    /// From a file to the region, which is open for writing.
    pub fn load(region: &'a Region, settings: Settings) -> Self {
        Self {
            region,
            direction: Direction::Load,
            settings,
            strict: false,
        }
    }
}

impl Engine for Kernel<'_> {
    fn name(&self) -> Name {
        Name::Kernel
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn window(&self) -> u64 {
        let in_flight = u64::from(self.settings.chunk) * u64::from(self.settings.depth);
        // A multiple of the chunk, so that every request but the last is a full one.
        (4 * in_flight).max(WINDOW_MIN - WINDOW_MIN % u64::from(self.settings.chunk))
    }

    fn any_address(&self) -> bool {
        !self.strict
    }

    fn transfer(&mut self, other: &File, piece: Piece, _stop: &Stop) -> Moved {
        let mut transfer = Transfer {
            flags: if self.strict { TRANSFER_STRICT } else { 0 },
            region_offset: piece.offset,
            length: piece.length,
            file_offset: piece.position,
            chunk: self.settings.chunk,
            depth: self.settings.depth,
            ..Transfer::default()
        };
        match self
            .region
            .transfer(self.direction, other.as_fd(), &mut transfer)
        {
            Ok(()) => Moved {
                bytes: transfer.moved.min(piece.length),
                direct: transfer.direct,
                copied: transfer.copied,
                skipped: 0,
                error: i32::try_from(transfer.error)
                    .ok()
                    .filter(|&error| error != 0)
                    .map(nix::errno::Errno::from_raw),
            },
            Err(error) => Moved {
                error: Some(errno_of(&error)),
                ..Moved::default()
            },
        }
    }
}
