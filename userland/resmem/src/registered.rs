// SPDX-License-Identifier: MIT

//! A region's own pages as buffers of an io_uring: the module describes them to the ring once, and
//! nothing has to be mapped by this process or pinned for a write.

use std::{fs::File, io, ops::Range, sync::Arc, time::Duration};

use nix::errno::Errno;

use crate::{
    Region, Ring,
    abi::{CHUNK_MAX, REGISTER_MAX},
};

/// A buffer begins at each multiple of this from the range's begin on. It ends where the longest
/// request that begins in its first part does, so that no request needs two.
const STRIDE: u64 = (REGISTER_MAX - CHUNK_MAX) as u64;

/// An io_uring whose fixed buffers are pages of a region: writes from them cost no copy, and no more for a long request
/// than for a short one.
pub struct RegionRing {
    ring: Ring,
    range: Range<u64>,
}

impl RegionRing {
    /// A ring for up to `depth` writes from `range` of `region`. Errors: see
    /// [`IOC_REGISTER`](crate::abi::IOC_REGISTER), and those of [`Ring::new`].
    pub fn new(region: &Arc<Region>, range: Range<u64>, depth: u32) -> io::Result<Self> {
        let length = range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?;
        let count = u32::try_from(length.div_ceil(STRIDE)).map_err(|_| Errno::E2BIG)?;
        // One slot more, for the command that waits.
        let mut ring = Ring::new(depth.checked_add(1).ok_or(Errno::EINVAL)?)?;
        ring.reserve_buffers(count)?;
        for index in 0..count {
            let (offset, length) = buffer(&range, index);
            ring.register(region, index, offset, length)?;
        }
        Ok(Self { ring, range })
    }

    /// A slot in which nothing is in flight, of the `depth` that were asked for.
    pub fn free(&self) -> Option<usize> {
        self.ring.free().filter(|slot| slot + 1 < self.ring.slots())
    }

    /// Begins to write `length` bytes, at most [`CHUNK_MAX`], from `offset` of the region on to `position` of `target`,
    /// which is held until the slot has ended. `EBUSY` when something is in flight in `slot`, `EINVAL` for bytes that
    /// are not registered.
    pub fn write(
        &mut self,
        slot: usize,
        offset: u64,
        length: u32,
        target: &Arc<File>,
        position: u64,
    ) -> io::Result<()> {
        let (begin, end) = (self.range.start, self.range.end);
        let last = offset.checked_add(length.into()).ok_or(Errno::EINVAL)?;
        if offset < begin || last > end || length > CHUNK_MAX {
            return Err(Errno::EINVAL.into());
        }
        let (buffer, from) = locate(begin, offset);
        self.ring
            .write_registered(slot, buffer, from, length, target, position)
    }

    /// Waits until a write has ended: its slot, and the bytes it wrote. `EINTR` after a signal; everything stays in
    /// flight then. Waits for ever when nothing is in flight.
    pub fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
        self.ring.wait()
    }

    /// As [`RegionRing::wait`], without waiting.
    pub fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.ring.ended()
    }

    /// Waits until a write has ended, until the device that fills the region has reached `position` if that is given,
    /// and no longer than `longest`; perhaps not as long. Errors: see [`IOC_REACH`](crate::abi::IOC_REACH).
    pub fn wait_for(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()> {
        self.ring.wait_for(position, None, longest)
    }

    /// As [`RegionRing::wait_for`], and no longer than until there is another number of triggers than `triggers`, that of
    /// [`RingPosition::triggers`](crate::abi::RingPosition::triggers). `EINVAL` for a device without triggers.
    pub fn wait_for_trigger(
        &mut self,
        position: Option<u64>,
        triggers: u64,
        longest: Duration,
    ) -> io::Result<()> {
        self.ring.wait_for(position, Some(triggers), longest)
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.ring.is_idle()
    }
}

/// Offset in the region and length of buffer `index` of a registered range.
fn buffer(range: &Range<u64>, index: u32) -> (u64, u32) {
    let from = range.start + STRIDE * u64::from(index);
    (from, (range.end - from).min(REGISTER_MAX.into()) as u32)
}

/// The buffer that a request lies in which begins at `offset` of the region, and where in the buffer; `begin` is that of
/// the registered range.
fn locate(begin: u64, offset: u64) -> (u16, u32) {
    let from = offset - begin;
    ((from / STRIDE) as u16, (from % STRIDE) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_lies_in_one_buffer() {
        let range = 4096..(5u64 << 30) + 4096 + 512;
        let count = (range.end - range.start).div_ceil(STRIDE) as u32;
        let chunk = u64::from(CHUNK_MAX);
        let mut offset = range.start;
        while offset < range.end {
            let length = chunk.min(range.end - offset);
            let (index, from) = locate(range.start, offset);
            let (begin, size) = buffer(&range, index.into());
            assert!(u32::from(index) < count);
            assert_eq!(begin + u64::from(from), offset);
            assert!(u64::from(from) + length <= u64::from(size));
            offset += length - length / 3;
        }
    }

    #[test]
    fn a_range_that_is_short_has_one_buffer_of_its_length() {
        assert_eq!(buffer(&(1 << 20..(1 << 20) + 4097), 0), (1 << 20, 4097));
    }
}
