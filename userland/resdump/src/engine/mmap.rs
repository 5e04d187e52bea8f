// SPDX-License-Identifier: MIT

//! Direct I/O that this program submits: from the region's pages where the module can register them
//! with io_uring, else from a mapping of the source, which the kernel pins page by page.

use std::{fs::File, io, sync::Arc};

use resmem::{RegionRing, Ring};

use super::{
    Engine, Moved, Name, Piece, Settings,
    pipeline::{self, Queue},
    registered, unavailable,
    window::Window,
};
use crate::{
    error::{Result, errno_of},
    signals::Stop,
    source::Source,
    span::Span,
};

/// Most bytes in flight: what is in flight is mapped, and a 32-bit process has 2 or 3 GiB.
const IN_FLIGHT_MAX: u32 = 512 << 20;

/// Bytes moved between two looks at the signals, at least.
const WINDOW_MIN: u64 = 64 << 20;

/// The mmap engine: `depth` writes in flight where the kernel has io_uring, else one.
pub(super) struct Mmap {
    way: Way,
    settings: Settings,
}

/// What is written from.
enum Way {
    Registered(RegionRing),
    Mapped(Window, Option<Ring>),
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
        if let Some(ring) = registered::ring(source, span, settings) {
            return Ok(Self {
                way: Way::Registered(ring),
                settings,
            });
        }
        let file = source.file().try_clone().map_err(refused)?;
        let start = source.start();
        let window = Window::new(file, start, start + span.offset + span.length);
        window.probe(span.offset).map_err(refused)?;
        let ring = ring(depth(settings));
        let depth = ring.as_ref().map_or(1, |_| depth(settings));
        Ok(Self {
            way: Way::Mapped(window, ring),
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

    fn merit(&self) -> &'static str {
        match self.way {
            Way::Registered(_) => "direct I/O from pages that are registered with io_uring",
            Way::Mapped(..) => "direct I/O from a mapping",
        }
    }

    fn reason(&self) -> String {
        format!("asked for: {}", self.merit())
    }

    fn window(&self) -> u64 {
        let chunk = u64::from(self.settings.chunk);
        match self.way {
            Way::Mapped(_, None) => chunk,
            _ => (4 * chunk * u64::from(self.settings.depth)).max(WINDOW_MIN),
        }
    }

    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved {
        let chunk = self.settings.chunk;
        let moved = match &mut self.way {
            Way::Mapped(window, None) => window.write(other, piece),
            Way::Registered(ring) => held(other, |target| {
                let mut writes = registered::Writes { ring, target };
                pipeline::run(&mut writes, piece, chunk, stop)
            }),
            Way::Mapped(window, Some(ring)) => held(other, |target| {
                let mut writes = Writes {
                    ring,
                    window,
                    target,
                };
                pipeline::run(&mut writes, piece, chunk, stop)
            }),
        };
        Moved {
            direct: moved.bytes,
            ..moved
        }
    }
}

/// Runs `work` with `target` as a ring wants it, which holds what it writes to.
fn held(target: &File, work: impl FnOnce(Arc<File>) -> Moved) -> Moved {
    match target.try_clone() {
        Ok(target) => work(Arc::new(target)),
        Err(error) => Moved::failed(&error),
    }
}

/// Writes from a window to a target.
struct Writes<'a> {
    ring: &'a mut Ring,
    window: &'a mut Window,
    target: Arc<File>,
}

impl Queue for Writes<'_> {
    fn has_room(&self) -> bool {
        self.ring.free().is_some()
    }

    fn begin(&mut self, piece: Piece) -> io::Result<usize> {
        self.window.begin(self.ring, &self.target, piece)
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
                ..Settings::default()
            })
        };
        assert_eq!(at(4 << 20, 4), 4);
        assert_eq!(at(4 << 20, 64), 64);
        assert_eq!(at(64 << 20, 64), 8);
    }
}
