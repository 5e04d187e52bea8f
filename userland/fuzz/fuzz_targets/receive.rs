// SPDX-License-Identifier: MIT
//! The receiver of a serial line, whatever comes in whatever order. The input are lines, each a frame: a letter, a
//! number in hexadecimal, a colon, what it carries.

#![no_main]

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use resdump::advice::Doing;
use resdump::error::{Error, Result};
use resdump::signals::Stop;
use resdump::stream::frame::{Frame, Kind, LETTERS, Seen};
use resdump::stream::link::Link;
use resdump::stream::messages::{Header, Trailer, Verdict};
use resdump::stream::rescue::{self, BLOCK, End, Patience, Sink};

/// No clock decides here: nothing is waited for.
const PATIENCE: Patience = Patience {
    again: Duration::ZERO,
    give_up: Duration::from_secs(60),
};

fuzz_target!(|input: &[u8]| {
    let mut line = Script {
        left: input,
        said: Vec::new(),
        came: BTreeSet::new(),
    };
    let mut store = Store::default();
    rescue::receive(&mut line, &mut store, PATIENCE, &Stop::default());
    assert!(store.finished, "the sink hears of every end");
    let said = |kind| line.said.iter().filter(move |frame| frame.kind == kind);
    assert!(said(Kind::Done).count() == 0 || store.complete);
    assert!(said(Kind::Fail).count() == 0 || !store.complete);
    for frame in &line.said {
        match frame.kind {
            Kind::Ack | Kind::Lost | Kind::Start => {
                assert!(frame.number <= store.next, "{frame:?} of {}", store.next);
            }
            _ => {}
        }
        if frame.kind == Kind::Ack {
            let later = Seen::decode(&frame.payload).later;
            for bit in (0..64).filter(|bit| later >> bit & 1 == 1) {
                assert!(line.came.contains(&(frame.number + 1 + bit)));
            }
        }
    }
});

/// The lines that are left to say, and what was said to them.
struct Script<'a> {
    left: &'a [u8],
    said: Vec<Frame>,
    came: BTreeSet<u64>,
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
        let frame = parse(line.strip_suffix(b"\n").unwrap_or(line));
        self.came.extend(frame.as_ref().map(|frame| frame.number));
        Ok(frame)
    }
}

fn parse(line: &[u8]) -> Option<Frame> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (letter, number) = line[..colon].split_first()?;
    Some(Frame {
        kind: LETTERS
            .iter()
            .find(|(_, known)| *known == char::from(*letter))?
            .0,
        number: u64::from_str_radix(str::from_utf8(number).ok()?, 16).ok()?,
        payload: line[colon + 1..].to_vec(),
    })
}

/// Counts what it is given; the first blocks were there before.
#[derive(Default)]
struct Store {
    header: Option<Header>,
    next: u64,
    finished: bool,
    complete: bool,
}

fn refused() -> Error {
    Error::during(
        Doing::Else,
        "refused",
        "a",
        &io::ErrorKind::InvalidData.into(),
    )
}

impl Sink for Store {
    fn begin(&mut self, header: Header, blocks: u64) -> Result<u64> {
        if self.header.is_none() {
            self.next = header.manifest.bytes / BLOCK;
        }
        self.header = Some(header);
        match self.next <= blocks {
            true => Ok(self.next),
            false => Err(refused()),
        }
    }

    fn block(&mut self, payload: &[u8]) -> Result<()> {
        let header = self.header.as_ref().expect("a block after its header");
        if let Some(compression) = header.compression {
            let bytes = compression
                .unpack(payload, BLOCK as usize)
                .map_err(|_| refused())?;
            assert_eq!(bytes.len() as u64, BLOCK);
        }
        self.next += 1;
        Ok(())
    }

    fn finish(&mut self, trailer: std::result::Result<&Trailer, End>) -> Verdict {
        assert!(!self.finished);
        self.finished = true;
        self.complete = trailer.is_ok() && self.header.is_some();
        Verdict::of(self.next, (!self.complete).then(refused).as_ref())
    }
}
