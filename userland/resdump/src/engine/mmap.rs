// SPDX-License-Identifier: MIT

//! Direct I/O from a mapping of the source: what the module's pinnable mappings are for.

use std::{fs::File, io};

use super::{Engine, Moved, Name, Piece, Settings, unavailable, window::Window};
use crate::{
    error::{Result, errno_of},
    source::Source,
    span::Span,
};

/// The mmap engine: one write in flight.
pub(super) struct Mmap {
    window: Window,
    settings: Settings,
}

impl Mmap {
    pub(super) fn new(source: &dyn Source, span: Span, settings: Settings) -> Result<Self> {
        let refused = |error: io::Error| {
            unavailable(
                Name::Mmap,
                errno_of(&error),
                format!("{} cannot be mapped", source.name()),
            )
        };
        let file = source.file().try_clone().map_err(refused)?;
        let window = Window::new(file, 0, span.offset + span.length);
        window.probe(span.offset).map_err(refused)?;
        Ok(Self {
            window,
            settings: Settings {
                depth: 1,
                ..settings
            },
        })
    }
}

impl Engine for Mmap {
    fn name(&self) -> Name {
        Name::Mmap
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn window(&self) -> u64 {
        self.settings.chunk.into()
    }

    fn transfer(&mut self, other: &File, piece: Piece) -> Moved {
        let moved = self.window.write(other, piece);
        Moved {
            direct: moved.bytes,
            ..moved
        }
    }
}
