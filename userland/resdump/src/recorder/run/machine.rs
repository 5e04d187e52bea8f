// SPDX-License-Identifier: MIT

//! The ring and the files of a recorder as its session has them.

use std::time::Instant;

use nix::errno::Errno;
use resdump_format::recording::{
    index::Record,
    planner::{Chunk, Event},
    position::Sample,
    session::Machine,
};

use super::{Failure, Flying, NO_POSITION, Recorder};
use crate::error::errno_of;

impl Machine for Recorder<'_> {
    type Error = Failure;

    fn landed(&mut self) -> Result<Option<(usize, u64)>, Failure> {
        let Some((slot, result)) = self.feed.ended() else {
            return Ok(None);
        };
        let flying = self.flying.get_mut(slot).and_then(Option::take);
        if let Some(flying) = flying {
            self.stall = self.stall.max(flying.since.elapsed());
            self.files.touch(flying.segment);
            match &result {
                Err(error) => drop(self.failed(("cannot write", errno_of(error)))),
                Ok(bytes) if u64::from(*bytes) < flying.length => {
                    self.failed(("cannot write", Errno::ENOSPC));
                }
                Ok(_) => {}
            }
        }
        Ok(Some((slot, result.map_or(0, u64::from))))
    }

    fn position(&mut self) -> Result<Sample, Failure> {
        self.feed.position().map_err(|errno| (NO_POSITION, errno))
    }

    fn submit(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        let flying = self.flying.iter().flatten().map(|it| it.segment);
        let oldest = flying.min().unwrap_or(chunk.segment);
        let (file, begun) = self
            .files
            .segment(chunk.segment, oldest)
            .map_err(|error| ("cannot make a segment", errno_of(&error)))?;
        if begun {
            self.segments += 1;
            self.push(Record::Segment {
                number: chunk.segment,
                from: chunk.from,
            });
        }
        let length = u32::try_from(chunk.length).map_err(|_| ("chunk", Errno::EINVAL))?;
        self.feed
            .write(chunk.slot, chunk.memory, length, &file, chunk.offset)
            .map_err(|error| ("cannot write", errno_of(&error)))?;
        self.last = Some((chunk.segment, chunk.offset + chunk.payload));
        self.submitted = chunk.from + chunk.payload;
        if let Some(flying) = self.flying.get_mut(chunk.slot) {
            *flying = Some(Flying {
                since: Instant::now(),
                length: chunk.length,
                segment: chunk.segment,
            });
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        self.push(Record::Part(event));
        Ok(())
    }
}
