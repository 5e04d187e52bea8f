// SPDX-License-Identifier: MIT

//! Direct I/O from a mapping of the source: what the module's pinnable mappings are for.

use std::{fs::File, io};

use super::{
    Engine, Moved, Name, Piece, Settings,
    pipeline::{self, Queue},
    unavailable,
    window::Window,
};
use crate::{
    error::{Result, errno_of},
    signals::Stop,
    source::Source,
    span::Span,
    sys::ring::Ring,
};

/// Most bytes in flight: what is in flight is mapped, and a 32-bit process has 2 or 3 GiB.
const IN_FLIGHT_MAX: u32 = 512 << 20;

/// Bytes moved between two looks at the signals, at least.
const WINDOW_MIN: u64 = 64 << 20;

/// The mmap engine: `depth` writes in flight where the kernel has io_uring, else one.
pub(super) struct Mmap {
    window: Window,
    ring: Option<Ring>,
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
        let start = source.start();
        let window = Window::new(file, start, start + span.offset + span.length);
        window.probe(span.offset).map_err(refused)?;
        let ring = ring(depth(settings));
        let depth = ring.as_ref().map_or(1, |_| depth(settings));
        Ok(Self {
            window,
            ring,
            settings: Settings { depth, ..settings },
        })
    }
}

/// As many writes as asked for, unless they would fill the address space.
fn depth(settings: Settings) -> u32 {
    let most = (IN_FLIGHT_MAX / settings.chunk).max(1);
    if settings.depth > most {
        log::info!("engine mmap: {most} writes in flight, for want of address space");
    }
    settings.depth.min(most)
}

fn ring(depth: u32) -> Option<Ring> {
    if depth == 1 {
        return None;
    }
    Ring::new(depth)
        .inspect_err(|error| log::info!("engine mmap: one write at a time, no io_uring: {error}"))
        .ok()
}

impl Engine for Mmap {
    fn name(&self) -> Name {
        Name::Mmap
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn window(&self) -> u64 {
        let chunk = u64::from(self.settings.chunk);
        match self.ring {
            Some(_) => (4 * chunk * u64::from(self.settings.depth)).max(WINDOW_MIN),
            None => chunk,
        }
    }

    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved {
        let moved = match &mut self.ring {
            Some(ring) => {
                let mut writes = Writes {
                    ring,
                    window: &mut self.window,
                    target: other,
                };
                pipeline::run(&mut writes, piece, self.settings.chunk, stop)
            }
            None => self.window.write(other, piece),
        };
        Moved {
            direct: moved.bytes,
            ..moved
        }
    }
}

/// Writes from a window to a target.
struct Writes<'a> {
    ring: &'a mut Ring,
    window: &'a mut Window,
    target: &'a File,
}

impl Queue for Writes<'_> {
    fn has_room(&self) -> bool {
        self.ring.free().is_some()
    }

    fn begin(&mut self, piece: Piece) -> io::Result<usize> {
        self.window.begin(self.ring, self.target, piece)
    }

    fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
        self.ring.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_fits_a_32_bit_address_space() {
        let at = |chunk, asked| {
            depth(Settings {
                chunk,
                depth: asked,
            })
        };
        assert_eq!(at(4 << 20, 4), 4);
        assert_eq!(at(4 << 20, 64), 64);
        assert_eq!(at(64 << 20, 64), 8);
    }
}
