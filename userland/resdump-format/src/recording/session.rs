// SPDX-License-Identifier: MIT

//! The order in which a recorder does things, which is what the proof rests on: writes that have ended are taken
//! note of first, then the position is read, then the writes are judged by it, then new ones are submitted.

use crate::recording::{
    planner::{Chunk, Event, Need, Planner, Step},
    position::Sample,
};

/// Memory, disk and index.
pub trait Machine {
    /// What can go wrong.
    type Error;

    /// A write that has ended, if there is one: its slot, and the bytes that it wrote. Does not wait.
    fn landed(&mut self) -> Result<Option<(usize, u64)>, Self::Error>;

    /// The position of the device, read from the device after everything that this thread has seen: a full barrier
    /// before, a read barrier behind.
    fn position(&mut self) -> Result<Sample, Self::Error>;

    /// Starts a write. An error has started nothing.
    fn submit(&mut self, chunk: &Chunk) -> Result<(), Self::Error>;

    /// Takes note of what was decided.
    fn event(&mut self, event: Event) -> Result<(), Self::Error>;
}

/// Does what there is to do now, and returns what is to be waited for: never [`Step::Write`].
///
/// After an error the planner is still right: a write that could not be started counts as one that wrote nothing.
pub fn turn<M: Machine>(
    planner: &mut Planner,
    machine: &mut M,
    need: Need,
) -> Result<Step, M::Error> {
    while let Some((slot, bytes)) = machine.landed()? {
        planner.landed(slot, bytes);
    }
    planner.see(&machine.position()?);
    loop {
        let step = planner.next(need);
        while let Some(event) = planner.event() {
            machine.event(event)?;
        }
        let Step::Write(chunk) = step else {
            return Ok(step);
        };
        if let Err(error) = machine.submit(&chunk) {
            planner.landed(chunk.slot, 0);
            return Err(error);
        }
    }
}
