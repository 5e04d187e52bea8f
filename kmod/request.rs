// SPDX-License-Identifier: GPL-2.0

//! One piece of a transfer in flight: directly from (to) the region's own pages, or through a buffer that
//! a processor copies.
//!
//! No lock is taken here.

use kernel::prelude::*;

use crate::{
    abstractions::{
        bvec::Span,
        kiocb::{
            self,
            Bytes,
            Direction,
            Place, //
        },
        memory::Memory, //
    },
    range::{
        Piece,
        Way, //
    },
    target::Target, //
};

/// A slot that holds one request at a time.
pub(crate) struct Request {
    slot: Pin<KBox<kiocb::Request>>,
    /// Where in the region what is loaded into the slot's buffer belongs.
    loads_to: Option<u64>,
}

impl Request {
    /// An idle slot. May sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            slot: KBox::pin_init(kiocb::Request::new(), GFP_KERNEL)?,
            loads_to: None,
        })
    }

    /// Starts moving a piece of the region, from byte `offset` on, to (from) `position` of `target`.
    /// A cached piece is on the medium when it ends.
    ///
    /// May sleep until the block layer has room. The result, an error included, is what
    /// [`Self::wait`] returns. Errors: `EBUSY` when a request is in flight, `ENXIO` when a direct
    /// piece has memory without a page, `ENOMEM` for want of a bounce buffer.
    pub(crate) fn submit(
        &mut self,
        target: &Target,
        memory: &Memory,
        offset: u64,
        piece: Piece,
        position: i64,
    ) -> Result {
        let place = Place {
            file: target.file(),
            direction: target.direction(),
            position,
            cached: piece.way == Way::Cached,
        };
        if piece.way == Way::Direct {
            let span = Span::new(memory, offset, piece.length)?;
            return self.slot.as_mut().submit(Bytes::Region(&span), place);
        }
        let buffer = self.slot.as_mut().buffer(piece.length as usize)?;
        if place.direction == Direction::Dump {
            memory.copy_out(offset, buffer)?;
        }
        let bytes = Bytes::Buffer(piece.length);
        self.slot.as_mut().submit(bytes, place)?;
        self.loads_to = (place.direction == Direction::Load).then_some(offset);
        Ok(())
    }

    /// Waits for the request in flight and returns what the file said: bytes, or an error. What was
    /// loaded into the bounce buffer is then in `memory`.
    ///
    /// Sleeps. With `interruptible`, a signal ends the wait with `EINTR` and the request stays in
    /// flight. `EINVAL` when nothing is in flight.
    pub(crate) fn wait(&mut self, memory: &Memory, interruptible: bool) -> Result<Result<usize>> {
        let (result, buffer) = self.slot.as_mut().wait(interruptible)?;
        let loads_to = self.loads_to.take();
        Ok(result.and_then(|bytes| {
            if let (Some(offset), Some(loaded @ [_, ..])) = (loads_to, buffer.get(..bytes)) {
                memory.copy_in(offset, loaded)?;
            }
            Ok(bytes)
        }))
    }
}
