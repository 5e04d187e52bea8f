// SPDX-License-Identifier: GPL-2.0

//! Moves a range of a region to or from a file: what to move, piece by piece. What is in flight
//! meanwhile is accounted for in [`crate::inflight`].
//!
//! No lock is taken here; the region's own is for a moment, before the first request and after the
//! last.

use kernel::{
    alloc::flags::GFP_KERNEL,
    current,
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::{
    abi,
    abstractions::kiocb::{
        Direction,
        BOUNCE, //
    },
    inflight::{
        Flight,
        Outcome,
        Requests, //
    },
    range::{
        self,
        Limits,
        Piece,
        RangeError,
        Way, //
    },
    region::Region,
    request::Request,
    target::Target, //
};

/// Most bounce buffers at once: memory that a transfer holds does not depend on its length.
const BOUNCE_DEPTH: usize = 4;

/// A checked transfer, ready to run.
pub(crate) struct Transfer<'a> {
    region: &'a Region,
    target: Target,
    region_offset: u64,
    length: u64,
    file_offset: u64,
    /// Ends of head, body and tail; head and tail are parts of a block of the target.
    edges: [u64; 3],
    limits: Limits,
    depth: usize,
    /// The region's addresses are aligned as the target wants them.
    aligned: bool,
    /// Caches are made to see what the device of the region wrote, and a load changes the owner of its range.
    sync: bool,
}

impl From<RangeError> for Error {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Empty | RangeError::Misaligned => EINVAL,
            RangeError::Overflow => EOVERFLOW,
            RangeError::Beyond => ERANGE,
        }
    }
}

impl<'a> Transfer<'a> {
    /// Checks every field of a request before anything is touched. Errors: see [`abi::IOC_DUMP`].
    pub(crate) fn new(
        region: &'a Region,
        asked: &abi::Transfer,
        direction: Direction,
    ) -> Result<Self> {
        let strict = asked.flags & abi::TRANSFER_STRICT != 0;
        if asked.flags & !(abi::TRANSFER_STRICT | abi::TRANSFER_NO_SYNC) != 0
            || asked.reserved0 != 0
            || asked.reserved != [0; 4]
        {
            return Err(EINVAL);
        }
        let chunk = match asked.chunk {
            0 => abi::CHUNK_DEFAULT,
            chunk => chunk,
        };
        let depth = match asked.depth {
            0 => abi::DEPTH_DEFAULT,
            depth => depth,
        };
        if !(abi::CHUNK_MIN..=abi::CHUNK_MAX).contains(&chunk)
            || chunk % abi::CHUNK_MIN != 0
            || depth > abi::DEPTH_MAX
        {
            return Err(EINVAL);
        }
        range::within(asked.region_offset, asked.length, region.memory().size())?;
        range::file_range(asked.file_offset, asked.length)?;

        let target = Target::new(asked.fd, direction)?;
        let align = target.offset_align();
        if strict {
            range::aligned(&[asked.file_offset, asked.length], align.into())?;
        }
        if align > BOUNCE {
            return Err(EINVAL);
        }
        let memory = region.memory();
        let edges = range::edges(asked.file_offset, asked.length, align.into());
        let body = asked.region_offset + edges[0];
        let aligned = range::aligned_at(memory.base(), body, target.memory_align().into());
        let (index, within) = memory.locate(asked.region_offset);
        let pages = memory.frames().pages_from(index) as u64 * PAGE_SIZE as u64;
        let all_pages = pages >= within as u64 + asked.length;
        if strict {
            aligned?;
            if !all_pages {
                return Err(ENXIO);
            }
        }
        let depth = depth as usize;
        Ok(Self {
            region,
            target,
            region_offset: asked.region_offset,
            length: asked.length,
            file_offset: asked.file_offset,
            edges,
            limits: Limits {
                chunk,
                bounce: BOUNCE,
                align,
            },
            depth: if aligned.is_ok() && all_pages {
                depth
            } else {
                depth.min(BOUNCE_DEPTH)
            },
            aligned: aligned.is_ok(),
            sync: asked.flags & abi::TRANSFER_NO_SYNC == 0,
        })
    }

    /// Moves the bytes. Sleeps; a signal stops submission, what is in flight is waited for.
    pub(crate) fn run(&self) -> Outcome<Error> {
        let mut outcome = Outcome {
            moved: 0,
            copied: 0,
            error: None,
        };
        let loads = self.target.direction() == Direction::Load;
        let (offset, length) = (self.region_offset, self.length);
        let started = match loads {
            true => self.region.begin_load(offset, length, self.sync),
            false if self.sync => self.region.look(offset, length),
            false => Ok(()),
        };
        if let Err(error) = started {
            outcome.error = Some(error);
            return outcome;
        }
        let mut ring = Ring {
            transfer: self,
            slots: KVec::new(),
        };
        // Head and tail share pages of the target's page cache with the body: one after the other.
        for end in self.edges {
            // A short result is not yet an error: asking for the rest yields that.
            while outcome.moved < end && outcome.error.is_none() {
                outcome.pipeline(&mut ring, self.depth, end);
            }
        }
        if loads {
            // All of it: what came behind an error has been copied as well.
            if let Err(error) = self.region.end_load(offset, length, self.sync) {
                // It may be in the caches only, and nothing writes it back any more: nothing has arrived.
                outcome = Outcome {
                    moved: 0,
                    copied: 0,
                    error: outcome.error.or(Some(error)),
                };
            }
        }
        outcome
    }

    /// What is moved by one request from `offset` of the transfer on, before `end`.
    fn piece(&self, offset: u64, end: u64) -> Option<Piece> {
        let left = end - offset;
        let [head, body, _] = self.edges;
        if offset < head || offset >= body {
            return Some(Piece {
                length: u32::try_from(left).ok()?,
                way: Way::Cached,
            });
        }
        if !self.aligned {
            return range::next_piece(left, 0, left, self.limits);
        }
        let memory = self.region.memory();
        let (index, within) = memory.locate(self.region_offset + offset);
        let bytes =
            |frames: usize| (frames as u64 * PAGE_SIZE as u64).saturating_sub(within as u64);
        let direct = bytes(memory.frames().pages_from(index));
        let hole = match direct {
            0 => bytes(memory.frames().holes_from(index)),
            _ => 0,
        };
        range::next_piece(left, direct, hole, self.limits)
    }
}

/// A request and what it is for.
struct Slot {
    request: Request,
    flight: Flight,
}

/// The requests of a transfer, allocated when first used.
struct Ring<'a> {
    transfer: &'a Transfer<'a>,
    slots: KVec<Slot>,
}

impl Requests for Ring<'_> {
    type Error = Error;

    fn submit(&mut self, index: usize, offset: u64, end: u64) -> Result<u64> {
        if current!().signal_pending() {
            return Err(EINTR);
        }
        let transfer = self.transfer;
        let piece = transfer.piece(offset, end).ok_or(EINVAL)?;
        let position = i64::try_from(transfer.file_offset + offset).map_err(|_| EOVERFLOW)?;
        let flight = Flight {
            offset,
            length: piece.length,
            copied: piece.way != Way::Direct,
        };
        if index == self.slots.len() {
            let request = Request::new()?;
            self.slots.push(Slot { request, flight }, GFP_KERNEL)?;
        }
        let slot = self.slots.get_mut(index).ok_or(EINVAL)?;
        slot.flight = flight;
        slot.request.submit(
            &transfer.target,
            transfer.region.memory(),
            transfer.region_offset + offset,
            piece,
            position,
        )?;
        Ok(offset + u64::from(piece.length))
    }

    fn wait(&mut self, index: usize, interruptible: bool) -> Result<(Flight, Result<usize>)> {
        let slot = self.slots.get_mut(index).ok_or(EINVAL)?;
        let memory = self.transfer.region.memory();
        let result = match slot.request.wait(memory, interruptible)? {
            // The end of the file that a load reads from.
            Ok(0) => Err(ENODATA),
            result => result,
        };
        Ok((slot.flight, result))
    }
}
