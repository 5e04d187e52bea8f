// SPDX-License-Identifier: MIT

//! A region's own pages as buffers of an io_uring.

use std::{fs::File, io, sync::Arc};

use nix::errno::Errno;
use resmem::{RegionRing, abi::FEATURE_REGISTER};

use super::{Piece, Settings, pipeline::Queue};
use crate::{source::Source, span::Span};

/// A ring with `span` of `source` in it; `None`, with a word in the log, where that cannot be done: the
/// source is a file, or the kernel, the module or a part of the memory does not allow it.
pub(super) fn ring(source: &dyn Source, span: Span, settings: Settings) -> Option<RegionRing> {
    let region = source.region()?.device();
    if settings.mapped {
        return None;
    }
    if !region.has_feature(FEATURE_REGISTER) {
        log::info!("engine mmap: the kernel has no buffers of io_uring for the module to fill");
        return None;
    }
    RegionRing::new(region, span.range(), settings.depth)
        .inspect_err(|error| log::info!("engine mmap: not registered with io_uring: {error}"))
        .ok()
}

/// Writes from registered pages to a target.
pub(super) struct Writes<'a> {
    pub(super) ring: &'a mut RegionRing,
    pub(super) target: Arc<File>,
}

impl Queue for Writes<'_> {
    fn has_room(&self) -> bool {
        self.ring.free().is_some()
    }

    fn begin(&mut self, piece: Piece) -> io::Result<usize> {
        let slot = self.ring.free().ok_or(Errno::EBUSY)?;
        let length = u32::try_from(piece.length).map_err(|_| Errno::EINVAL)?;
        self.ring
            .write(slot, piece.offset, length, &self.target, piece.position)?;
        Ok(slot)
    }

    fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
        self.ring.wait()
    }
}
