// SPDX-License-Identifier: MIT

//! A live ring whose device reads it.

use std::{fs::File, io, time::Duration};

use nix::errno::Errno;
use resdump_format::recording::position::Sample;
use resmem::{
    Region,
    abi::{CHUNK_MIN, DEPTH_DEFAULT},
};

use crate::{
    engine::{Kernel, Moved, Piece, Settings},
    recorder::look,
    signals::Stop,
    transfer,
};

/// A ring that can be played into.
pub trait Outlet {
    /// Where the device is, read after everything that this thread has seen.
    fn position(&mut self) -> nix::Result<Sample>;

    /// Reads `length` bytes from `offset` of `file` into the ring, from `memory` on.
    fn load(&mut self, memory: u64, length: u64, file: &File, offset: u64) -> Moved;

    /// Fills `length` bytes of the ring with zeroes, from `memory` on.
    fn zero(&mut self, memory: u64, length: u64) -> io::Result<()>;

    /// Waits for the device to reach `position`, and no longer than `longest`.
    fn wait(&mut self, position: u64, longest: Duration) -> io::Result<()>;
}

/// A region whose device's position the module knows.
pub struct Live<'a> {
    region: &'a Region,
    engine: Kernel<'a>,
    stop: &'a Stop,
}

impl<'a> Live<'a> {
    /// `region` is open for writing; reads of `chunk` bytes are several requests at a time.
    pub fn new(region: &'a Region, chunk: u64, stop: &'a Stop) -> Self {
        let request = chunk / u64::from(DEPTH_DEFAULT);
        let request = (request - request % u64::from(CHUNK_MIN)).max(CHUNK_MIN.into());
        let settings = Settings {
            chunk: u32::try_from(request).unwrap_or(CHUNK_MIN),
            ..Settings::default()
        };
        Self {
            region,
            engine: Kernel::load(region, settings),
            stop,
        }
    }
}

impl Outlet for Live<'_> {
    fn position(&mut self) -> nix::Result<Sample> {
        // The disk has written to memory when the command has returned: that comes first.
        look(self.region)
    }

    fn load(&mut self, memory: u64, length: u64, file: &File, offset: u64) -> Moved {
        let piece = Piece {
            offset: memory,
            length,
            position: offset,
        };
        transfer::run(&mut self.engine, file, piece, self.stop, &mut |_| {})
    }

    fn zero(&mut self, memory: u64, length: u64) -> io::Result<()> {
        self.region.zero(memory..memory + length)
    }

    fn wait(&mut self, position: u64, longest: Duration) -> io::Result<()> {
        match self.region.wait_for(position, longest) {
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => Ok(()),
            result => result.map(drop),
        }
    }
}
