// SPDX-License-Identifier: MIT

//! `/dev/mem` and buffered writes, as programs did without the module: for comparison.

use std::{fs::File, path::Path};

use nix::errno::Errno;

use super::{Engine, Moved, Name, Piece, Settings, unavailable, window::Window};
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    signals::Stop,
    source::Source,
    span::Span,
};

const PATH: &str = "/dev/mem";

/// Whether the kernel has the device at all.
pub(super) fn exists() -> bool {
    Path::new(PATH).exists()
}

/// The devmem engine. Bare page frames cannot be pinned, so direct I/O from this mapping would be
/// `EFAULT`: the page cache takes a copy of every byte.
pub(super) struct Devmem {
    window: Window,
    settings: Settings,
}

impl Devmem {
    pub(super) fn new(source: &dyn Source, span: Span, settings: Settings) -> Result<Self> {
        let region = source.region().ok_or_else(|| {
            unavailable(
                Name::Devmem,
                Errno::ENXIO,
                "a file is not in memory: use the engine mmap",
            )
        })?;
        let base = region.base();
        let file = File::open(PATH).map_err(|error| refused(errno_of(&error)))?;
        let window = Window::new(file, base, base + span.offset + span.length);
        window
            .probe(span.offset)
            .map_err(|error| refused(errno_of(&error)))?;
        region
            .before_devmem(span)
            .map_err(|error| refused(errno_of(&error)))?;
        Ok(Self {
            window,
            settings: Settings {
                depth: 1,
                ..settings
            },
        })
    }
}

fn refused(errno: Errno) -> Error {
    Error::during(
        Doing::DevMem,
        "engine not available",
        Name::Devmem.as_str(),
        errno,
    )
}

impl Engine for Devmem {
    fn name(&self) -> Name {
        Name::Devmem
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn window(&self) -> u64 {
        self.settings.chunk.into()
    }

    fn direct(&self) -> bool {
        false
    }

    fn copies(&self) -> bool {
        true
    }

    fn transfer(&mut self, other: &File, piece: Piece, _stop: &Stop) -> Moved {
        let moved = self.window.write(other, piece);
        Moved {
            copied: moved.bytes,
            ..moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_codes::ExitCode;

    #[test]
    fn a_strict_kernel_is_named_as_the_reason() {
        let error = refused(Errno::EPERM);
        assert_eq!(error.code, ExitCode::Engine);
        assert_eq!(
            error.to_string(),
            "engine not available: devmem: EPERM (1): this kernel keeps memory out of /dev/mem \
             (STRICT_DEVMEM or lockdown): use the engine kernel"
        );
    }
}
