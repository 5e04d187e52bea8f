// SPDX-License-Identifier: MIT

//! What any program can do without registered pages: writes from a mapping of the ring, or from ordinary memory that the
//! bytes are copied to.

use std::{collections::VecDeque, fs::File, io, sync::Arc, time::Duration};

use nix::errno::Errno;
use resdump_format::recording::position::Sample;
use resmem::{Mapping, Region, Ring};

use super::feed::{Feed, look};
use crate::source::file_in_memory;

/// For [`Played`](super::Played) alone: it waits for writes, and not for a device.
pub struct Ordinary {
    region: Arc<Region>,
    ring: Ring,
    mapping: Arc<Mapping>,
    copies: Option<Copies>,
    ended: VecDeque<(usize, io::Result<u32>)>,
}

/// Ordinary memory with room for a chunk in each slot.
struct Copies {
    file: File,
    mapping: Arc<Mapping>,
    chunk: u64,
}

impl Ordinary {
    /// For `depth` writes of up to `chunk` bytes, from a mapping or from copies.
    pub fn new(region: &Arc<Region>, depth: u32, chunk: u64, copy: bool) -> io::Result<Self> {
        let copies = match copy {
            true => Some(Copies::new(chunk, depth)?),
            false => None,
        };
        Ok(Self {
            region: Arc::clone(region),
            ring: Ring::new(depth)?,
            mapping: Arc::new(region.map(0..region.size())?),
            copies,
            ended: VecDeque::new(),
        })
    }
}

impl Copies {
    fn new(chunk: u64, depth: u32) -> io::Result<Self> {
        let size = chunk.checked_mul(depth.into()).ok_or(Errno::ENOMEM)?;
        let file = file_in_memory(size)?;
        let length = usize::try_from(size).map_err(|_| Errno::ENOMEM)?;
        let mapping = Arc::new(Mapping::new(&file, 0, length)?);
        Ok(Self {
            file,
            mapping,
            chunk,
        })
    }
}

impl Feed for Ordinary {
    fn position(&mut self) -> nix::Result<Sample> {
        look(&self.region)
    }

    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<File>,
        offset: u64,
    ) -> io::Result<()> {
        let Some(copies) = &self.copies else {
            return self
                .ring
                .write(slot, &self.mapping, memory, length, file, offset);
        };
        let place = slot as u64 * copies.chunk;
        if u64::from(length) > copies.chunk {
            return Err(Errno::EINVAL.into());
        }
        let copied = self.mapping.write_at(memory, length, &copies.file, place)?;
        if copied < length as usize {
            return Err(Errno::ENOMEM.into());
        }
        self.ring
            .write(slot, &copies.mapping, place, length, file, offset)
    }

    fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.ended.pop_front().or_else(|| self.ring.ended())
    }

    fn wait(&mut self, _: Option<u64>, _: Duration) -> io::Result<()> {
        if self.ended.is_empty() && !self.ring.is_idle() {
            match self.ring.wait() {
                Ok(ended) => self.ended.push_back(ended),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
