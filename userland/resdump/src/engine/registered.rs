// SPDX-License-Identifier: MIT

//! A region's own pages as buffers of an io_uring: the module describes them to the ring once, and
//! nothing has to be mapped by this process or pinned for a write.

use std::{fs::File, io};

use nix::errno::Errno;
use resmem_abi::abi::{CHUNK_MAX, FEATURE_REGISTER, REGISTER_MAX};

use super::{Piece, Settings, pipeline::Queue};
use crate::{
    source::Source,
    span::Span,
    sys::{node::Node, ring::Ring},
};

/// A buffer begins at each multiple of this from the span's begin on. It ends where the longest
/// request that begins in its first part does, so that no request needs two.
const STRIDE: u64 = (REGISTER_MAX - CHUNK_MAX) as u64;

/// A ring with a span of a region in it.
pub(super) struct Registered {
    ring: Ring,
    span: Span,
}

impl Registered {
    /// Registers `span` of `source`; `None`, with a word in the log, where that cannot be done: the
    /// source is a file, or the kernel, the module or a part of the memory does not allow it.
    pub(super) fn new(source: &dyn Source, span: Span, settings: Settings) -> Option<Self> {
        let node = source.region()?.node();
        if settings.mapped {
            return None;
        }
        if node.info().features & FEATURE_REGISTER == 0 {
            log::info!("engine mmap: the kernel has no buffers of io_uring for the module to fill");
            return None;
        }
        let ring = || -> io::Result<Ring> {
            let mut ring = Ring::new(settings.depth)?;
            register(&mut ring, node, span)?;
            Ok(ring)
        };
        ring()
            .inspect_err(|error| log::info!("engine mmap: not registered with io_uring: {error}"))
            .ok()
            .map(|ring| Self { ring, span })
    }

    /// Where writes to `target` are given to.
    pub(super) fn writes<'a>(&'a mut self, target: &'a File) -> Writes<'a> {
        Writes {
            registered: self,
            target,
        }
    }
}

/// Registers `span` of a region with `ring`, nothing of which is in flight.
pub(crate) fn register(ring: &mut Ring, node: &Node, span: Span) -> io::Result<()> {
    let count = u32::try_from(span.length.div_ceil(STRIDE)).map_err(|_| Errno::E2BIG)?;
    ring.reserve_buffers(count)?;
    for index in 0..count {
        let (offset, length) = buffer(span, index);
        ring.register(node, index, offset, length)?;
    }
    Ok(())
}

/// Offset in the region and length of buffer `index`.
fn buffer(span: Span, index: u32) -> (u64, u32) {
    let from = STRIDE * u64::from(index);
    let length = (span.length - from).min(REGISTER_MAX.into());
    (span.offset + from, length as u32)
}

/// The buffer that a request lies in which begins at `offset` of the region, and where in the buffer.
pub(crate) fn locate(span: Span, offset: u64) -> (u16, u32) {
    let from = offset - span.offset;
    ((from / STRIDE) as u16, (from % STRIDE) as u32)
}

/// Writes from registered pages to a target.
pub(super) struct Writes<'a> {
    registered: &'a mut Registered,
    target: &'a File,
}

impl Queue for Writes<'_> {
    fn has_room(&self) -> bool {
        self.registered.ring.free().is_some()
    }

    fn begin(&mut self, piece: Piece) -> io::Result<usize> {
        let Registered { ring, span } = &mut *self.registered;
        let slot = ring.free().ok_or(Errno::EBUSY)?;
        let (buffer, from) = locate(*span, piece.offset);
        let length = u32::try_from(piece.length).map_err(|_| Errno::EINVAL)?;
        ring.write_registered(slot, buffer, from, length, self.target, piece.position)?;
        Ok(slot)
    }

    fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
        self.registered.ring.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_lies_in_one_buffer() {
        let span = Span {
            offset: 4096,
            length: (5 << 30) + 512,
        };
        let count = span.length.div_ceil(STRIDE) as u32;
        let chunk = u64::from(CHUNK_MAX);
        let mut offset = span.offset;
        while offset < span.offset + span.length {
            let length = chunk.min(span.offset + span.length - offset);
            let (index, from) = locate(span, offset);
            let (begin, size) = buffer(span, index.into());
            assert!(u32::from(index) < count);
            assert_eq!(begin + u64::from(from), offset);
            assert!(u64::from(from) + length <= u64::from(size));
            offset += length - length / 3;
        }
    }

    #[test]
    fn a_span_that_is_short_has_one_buffer_of_its_length() {
        let span = Span {
            offset: 1 << 20,
            length: 4097,
        };
        assert_eq!(buffer(span, 0), (1 << 20, 4097));
    }
}
