// SPDX-License-Identifier: MIT

//! An engine whose other end has no direct I/O: the page cache takes a copy of every byte.

use std::fs::File;

use super::{Engine, Moved, Name, Piece, Settings};
use crate::signals::Stop;

/// An engine, and why what it writes is copied.
pub(super) struct Cached<'a> {
    engine: Box<dyn Engine + 'a>,
    why: &'static str,
}

impl<'a> Cached<'a> {
    pub(super) fn new(engine: Box<dyn Engine + 'a>, why: &'static str) -> Self {
        Self { engine, why }
    }
}

impl Engine for Cached<'_> {
    fn name(&self) -> Name {
        self.engine.name()
    }

    fn settings(&self) -> Settings {
        self.engine.settings()
    }

    fn window(&self) -> u64 {
        self.engine.window()
    }

    fn direct(&self) -> bool {
        false
    }

    fn copies(&self) -> bool {
        true
    }

    fn merit(&self) -> &'static str {
        "copies every byte"
    }

    fn reason(&self) -> String {
        let reason = self.engine.reason();
        let reason = reason.replacen(self.engine.merit(), self.merit(), 1);
        format!("{reason}; {}", self.why)
    }

    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved {
        let moved = self.engine.transfer(other, piece, stop);
        Moved {
            direct: 0,
            copied: moved.copied + moved.direct,
            ..moved
        }
    }
}
