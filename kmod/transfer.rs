// SPDX-License-Identifier: GPL-2.0

//! Moves a range of a region to or from a file: pieces, queue depth, and what to say at the end.
//!
//! Requests are retired in the order of submission, so what has been retired without an error is
//! the contiguous prefix that is on the target, whatever happens afterwards.

use kernel::{
    alloc::flags::GFP_KERNEL,
    current,
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::{
    abi,
    range::{
        self,
        Limits,
        Piece,
        RangeError, //
    },
    region::Region,
    request::{
        Request,
        BOUNCE, //
    },
    target::{
        Direction,
        Target, //
    }, //
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
    limits: Limits,
    depth: usize,
    /// The region's addresses are aligned as the target wants them.
    aligned: bool,
}

/// How a transfer ended: the contiguous prefix that was moved, how much of it a processor copied,
/// and what stopped it short of the whole.
pub(crate) struct Outcome {
    pub(crate) moved: u64,
    pub(crate) copied: u64,
    pub(crate) error: Option<Error>,
}

/// A request in flight: where in the transfer, and what.
#[derive(Clone, Copy)]
struct Flight {
    offset: u64,
    piece: Piece,
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
        if asked.flags & !abi::TRANSFER_STRICT != 0
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
        range::aligned(&[asked.file_offset, asked.length], align.into())?;
        if align > BOUNCE {
            return Err(EINVAL);
        }
        let memory = region.memory();
        let address = memory.base() + asked.region_offset;
        let aligned = range::aligned(&[address], target.memory_align().into());
        let (index, within) = memory.locate(asked.region_offset);
        let pages = memory.frames().pages_from(index) as u64 * PAGE_SIZE as u64;
        let all_pages = pages >= within as u64 + asked.length;
        if asked.flags & abi::TRANSFER_STRICT != 0 {
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
        })
    }

    /// Moves the bytes. Sleeps; a signal stops submission, what is in flight is waited for.
    pub(crate) fn run(&self) -> Outcome {
        let mut outcome = Outcome {
            moved: 0,
            copied: 0,
            error: None,
        };
        let mut slots = KVec::new();
        // A short result is not yet an error: asking for the rest tells what it is.
        while outcome.moved < self.length && outcome.error.is_none() {
            self.pipeline(&mut slots, &mut outcome);
        }
        outcome
    }

    /// Submits from `outcome.moved` on, until the end, an error, a short result or a signal. When
    /// it returns nothing is in flight.
    fn pipeline(&self, slots: &mut KVec<Slot>, outcome: &mut Outcome) {
        let mut next = outcome.moved;
        let (mut submitted, mut retired) = (0, 0);
        let mut stop = false;

        loop {
            while !stop && next < self.length && submitted - retired < self.depth {
                match self.submit(slots, submitted % self.depth, next) {
                    Ok(end) => {
                        next = end;
                        submitted += 1;
                    }
                    Err(error) => {
                        outcome.error = Some(error);
                        stop = true;
                    }
                }
            }
            if submitted == retired {
                return;
            }
            let Some(slot) = slots.get_mut(retired % self.depth) else {
                return;
            };
            match slot.request.as_mut().wait(self.region.memory(), !stop) {
                // The request is still in flight: come back for it without listening to signals.
                Err(error) => {
                    outcome.error = Some(error);
                    stop = true;
                }
                Ok(result) => {
                    retired += 1;
                    stop |= !outcome.retire(slot.flight, result);
                }
            }
        }
    }

    /// Starts the piece at `offset` of the transfer; returns where the next one begins.
    fn submit(&self, slots: &mut KVec<Slot>, index: usize, offset: u64) -> Result<u64> {
        if current!().signal_pending() {
            return Err(EINTR);
        }
        let piece = self.piece(offset).ok_or(EINVAL)?;
        let position = i64::try_from(self.file_offset + offset).map_err(|_| EOVERFLOW)?;
        if index == slots.len() {
            let request = KBox::pin_init(Request::new(), GFP_KERNEL)?;
            let flight = Flight { offset, piece };
            slots.push(Slot { request, flight }, GFP_KERNEL)?;
        }
        let slot = slots.get_mut(index).ok_or(EINVAL)?;
        slot.flight = Flight { offset, piece };
        slot.request.as_mut().submit(
            &self.target,
            self.region.memory(),
            self.region_offset + offset,
            piece,
            position,
        )?;
        Ok(offset + u64::from(piece.length))
    }

    /// What is moved by one request from `offset` of the transfer on.
    fn piece(&self, offset: u64) -> Option<Piece> {
        let left = self.length - offset;
        if !self.aligned {
            return range::next_piece(left, 0, left, self.limits);
        }
        let memory = self.region.memory();
        let (index, within) = memory.locate(self.region_offset + offset);
        let bytes =
            |frames: usize| (frames as u64 * PAGE_SIZE as u64).saturating_sub(within as u64);
        range::next_piece(
            left,
            bytes(memory.frames().pages_from(index)),
            bytes(memory.frames().holes_from(index)),
            self.limits,
        )
    }
}

/// A request and what it is for.
struct Slot {
    request: Pin<KBox<Request>>,
    flight: Flight,
}

impl Outcome {
    /// Takes in the result of a request if it continues the prefix; `false` if the prefix ends here.
    fn retire(&mut self, flight: Flight, result: Result<usize>) -> bool {
        if flight.offset != self.moved {
            return false;
        }
        match result {
            // The end of the file that a load reads from.
            Ok(0) => {
                self.error.get_or_insert(ENODATA);
                false
            }
            Ok(bytes) => {
                self.moved += bytes as u64;
                if !flight.piece.direct {
                    self.copied += bytes as u64;
                }
                bytes == flight.piece.length as usize
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}
