// SPDX-License-Identifier: GPL-2.0

//! Moves a range of a region to or from a file: chunks, queue depth, and what to say at the end.
//!
//! Requests are retired in the order of submission, so what has been retired without an error is
//! the contiguous prefix that is on the target, whatever happens afterwards.

use kernel::{
    alloc::flags::GFP_KERNEL,
    current,
    prelude::*, //
};

use crate::{
    abi,
    range::{
        self,
        Chunk,
        RangeError, //
    },
    region::Region,
    request::Request,
    target::{
        Direction,
        Target, //
    }, //
};

/// A checked transfer, ready to run.
pub(crate) struct Transfer<'a> {
    region: &'a Region,
    target: Target,
    region_offset: u64,
    length: u64,
    file_offset: u64,
    chunk: u32,
    depth: usize,
}

/// How a transfer ended: the contiguous prefix that was moved, and what stopped it short of the
/// whole.
pub(crate) struct Outcome {
    pub(crate) moved: u64,
    pub(crate) error: Option<Error>,
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
        if asked.flags != 0 || asked.reserved0 != 0 || asked.reserved != [0; 4] {
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
        range::within(asked.region_offset, asked.length, region.size())?;
        range::file_range(asked.file_offset, asked.length)?;

        let target = Target::new(asked.fd, direction)?;
        range::aligned(
            &[asked.file_offset, asked.length],
            target.offset_align().into(),
        )?;
        range::aligned(
            &[region.base() | asked.region_offset],
            target.memory_align().into(),
        )?;
        Ok(Self {
            region,
            target,
            region_offset: asked.region_offset,
            length: asked.length,
            file_offset: asked.file_offset,
            chunk,
            depth: depth as usize,
        })
    }

    /// Moves the bytes. Sleeps; a signal stops submission, what is in flight is waited for.
    pub(crate) fn run(&self) -> Outcome {
        let mut outcome = Outcome {
            moved: 0,
            error: None,
        };
        match self.slots() {
            Ok(mut slots) => {
                // A short result is not yet an error: asking for the rest tells what it is.
                while outcome.moved < self.length && outcome.error.is_none() {
                    self.pipeline(&mut slots, &mut outcome);
                }
            }
            Err(error) => outcome.error = Some(error),
        }
        outcome
    }

    /// As many request slots as can be in flight at once.
    fn slots(&self) -> Result<KVec<Pin<KBox<Request>>>> {
        let count = range::chunks(0, self.length, self.chunk)
            .take(self.depth)
            .count();
        let mut slots = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            slots.push(KBox::pin_init(Request::new(), GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(slots)
    }

    /// Submits from `outcome.moved` on, until the end, an error, a short result or a signal. When
    /// it returns nothing is in flight.
    fn pipeline(&self, slots: &mut [Pin<KBox<Request>>], outcome: &mut Outcome) {
        let mut chunks = range::chunks(outcome.moved, self.length, self.chunk);
        let mut expected = range::chunks(outcome.moved, self.length, self.chunk);
        let (mut submitted, mut retired) = (0, 0);
        let mut stop = false;

        loop {
            while !stop && submitted - retired < slots.len() {
                if current!().signal_pending() {
                    outcome.error = Some(EINTR);
                    stop = true;
                    break;
                }
                let Some(chunk) = chunks.next() else { break };
                let slot = submitted % slots.len();
                if let Err(error) = self.submit(slots[slot].as_mut(), chunk) {
                    outcome.error = Some(error);
                    stop = true;
                    break;
                }
                submitted += 1;
            }
            if submitted == retired {
                return;
            }
            let slot = slots[retired % slots.len()].as_mut();
            match slot.wait(!stop) {
                // The request is still in flight: come back for it without listening to signals.
                Err(error) => {
                    outcome.error = Some(error);
                    stop = true;
                }
                Ok(result) => {
                    retired += 1;
                    let Some(chunk) = expected.next() else { return };
                    stop |= !retire(outcome, chunk, result);
                }
            }
        }
    }

    fn submit(&self, slot: Pin<&mut Request>, chunk: Chunk) -> Result {
        let position = i64::try_from(self.file_offset + chunk.offset).map_err(|_| EOVERFLOW)?;
        slot.submit(
            &self.target,
            self.region.frames(),
            self.region_offset + chunk.offset,
            chunk.length,
            position,
        )
    }
}

/// Adds the result of `chunk` to the outcome if it continues the prefix; `false` if the prefix ends
/// here.
fn retire(outcome: &mut Outcome, chunk: Chunk, result: Result<usize>) -> bool {
    if chunk.offset != outcome.moved {
        return false;
    }
    match result {
        // The end of the file that a load reads from.
        Ok(0) => {
            outcome.error.get_or_insert(ENODATA);
            false
        }
        Ok(bytes) => {
            outcome.moved += bytes as u64;
            bytes == chunk.length as usize
        }
        Err(error) => {
            outcome.error = Some(error);
            false
        }
    }
}
