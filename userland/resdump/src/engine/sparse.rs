// SPDX-License-Identifier: MIT

//! Leaves out what is zero: it looks at every byte, so the processor reads all of the region.

use std::fs::File;

use super::{Engine, Moved, Name, Piece, Settings};
use crate::{signals::Stop, source::Source};

/// What is left out is a multiple of this: a hole that is smaller costs more than it saves.
const BLOCK: u64 = 64 << 10;

/// An engine that is given only what is not zero.
pub struct Sparse<'a> {
    engine: &'a mut dyn Engine,
    source: &'a dyn Source,
    buffer: Vec<u8>,
}

impl<'a> Sparse<'a> {
    /// `engine`, which moves bytes of `source`.
    pub fn new(engine: &'a mut dyn Engine, source: &'a dyn Source) -> Self {
        Self {
            engine,
            source,
            buffer: vec![0; BLOCK as usize],
        }
    }

    /// Length of the run of blocks that are all zero, or all not, at the start of `piece`.
    fn run(&mut self, piece: Piece) -> crate::error::Result<(u64, bool)> {
        let mut length = 0;
        let mut kind = None;
        while length < piece.length {
            let bytes = &mut self.buffer[..(piece.length - length).min(BLOCK) as usize];
            self.source.read_at(bytes, piece.offset + length)?;
            let zero = bytes.iter().all(|&byte| byte == 0);
            if *kind.get_or_insert(zero) != zero {
                break;
            }
            length += bytes.len() as u64;
        }
        Ok((length, kind.unwrap_or(false)))
    }
}

impl Engine for Sparse<'_> {
    fn name(&self) -> Name {
        self.engine.name()
    }

    fn settings(&self) -> Settings {
        self.engine.settings()
    }

    fn window(&self) -> u64 {
        self.engine.window()
    }

    fn copies(&self) -> bool {
        self.engine.copies()
    }

    fn any_address(&self) -> bool {
        self.engine.any_address()
    }

    fn merit(&self) -> &'static str {
        self.engine.merit()
    }

    fn reason(&self) -> String {
        self.engine.reason()
    }

    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved {
        let (length, zero) = match self.run(piece) {
            Ok(run) => run,
            Err(error) => {
                return Moved {
                    error: Some(error.errno),
                    ..Moved::default()
                };
            }
        };
        if zero {
            return Moved {
                bytes: length,
                skipped: length,
                ..Moved::default()
            };
        }
        self.engine.transfer(other, Piece { length, ..piece }, stop)
    }
}
