// SPDX-License-Identifier: MIT
//! The receiver of a serial line, whatever comes in whatever order. The input are lines, each a frame: a letter, a
//! number in hexadecimal, a colon, what it carries.

#![no_main]

use std::io;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use resdump::signals::Stop;
use resdump::stream::frame::{Frame, Kind};
use resdump::stream::link::Link;
use resdump::stream::rescue::{self, BLOCK, Patience, Sink};
use resdump::stream::wire::{Header, Trailer};

fuzz_target!(|input: &[u8]| {
    let mut line = Script {
        left: input,
        said: Vec::new(),
    };
    let mut store = Store::default();
    let taken = rescue::receive(&mut line, &mut store, Patience::default(), &Stop::default());
    let done = line.said.iter().any(|frame| frame.kind == Kind::Done);
    assert_eq!(done, store.ended, "done is said at the end, and only then");
    assert!(taken.is_err() || store.ended);
    for frame in &line.said {
        assert!(frame.number <= store.next, "{frame:?} of {}", store.next);
    }
});

/// The lines that are left to say, and what was said to them.
struct Script<'a> {
    left: &'a [u8],
    said: Vec<Frame>,
}

impl Link for Script<'_> {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.said.push(frame.clone());
        Ok(())
    }

    fn receive(&mut self, _patience: Duration) -> io::Result<Option<Frame>> {
        if self.left.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = self.left.iter().position(|byte| *byte == b'\n');
        let (line, left) = self
            .left
            .split_at(end.map_or(self.left.len(), |end| end + 1));
        self.left = left;
        Ok(parse(line.strip_suffix(b"\n").unwrap_or(line)))
    }
}

fn parse(line: &[u8]) -> Option<Frame> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (letter, number) = line[..colon].split_first()?;
    Some(Frame {
        kind: match letter {
            b'H' => Kind::Hello,
            b'D' => Kind::Data,
            b'E' => Kind::End,
            b'A' => Kind::Ack,
            b'L' => Kind::Lost,
            _ => Kind::Done,
        },
        number: u64::from_str_radix(str::from_utf8(number).ok()?, 16).ok()?,
        payload: line[colon + 1..].to_vec(),
    })
}

/// Counts what it is given; the first blocks were there before.
#[derive(Default)]
struct Store {
    header: Option<Header>,
    next: u64,
    ended: bool,
}

impl Sink for Store {
    fn begin(&mut self, header: Header, blocks: u64) -> io::Result<u64> {
        if self.header.is_none() {
            self.next = header.manifest.bytes / BLOCK;
        }
        self.header = Some(header);
        match self.next <= blocks {
            true => Ok(self.next),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn block(&mut self, payload: &[u8]) -> io::Result<()> {
        let header = self.header.as_ref().expect("a block after its header");
        if let Some(compression) = header.compression {
            let bytes = compression.unpack(payload, BLOCK as usize)?;
            assert_eq!(bytes.len() as u64, BLOCK);
        }
        self.next += 1;
        Ok(())
    }

    fn end(&mut self, _trailer: &Trailer) -> io::Result<()> {
        assert!(self.header.is_some() && !self.ended);
        self.ended = true;
        Ok(())
    }
}
