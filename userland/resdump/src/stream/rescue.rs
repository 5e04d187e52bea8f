// SPDX-License-Identifier: MIT

//! A dump over a link that drops, repeats and corrupts: blocks with numbers and check sums, sent
//! again until they have arrived. Either end may be started again; it goes on where the receiver is.

use std::{
    io,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use super::{
    frame::{Frame, Kind},
    link::Link,
    wire::{Header, Trailer},
};
use crate::signals::Stop;

/// Bytes of a block: half a second at 115200 baud when it cannot be compressed.
pub const BLOCK: u64 = 4096;

/// Blocks on their way: what a serial line has in its buffers, and what one loss costs.
const WINDOW: u64 = 8;

/// How long to wait, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until something is sent again.
    pub again: Duration,
    /// Until the other end is taken for dead.
    pub give_up: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            again: Duration::from_secs(2),
            give_up: Duration::from_secs(60),
        }
    }
}

/// Sends all blocks that `block` gives, `blocks` of them, after `header`; `end` makes the trailer.
pub fn send(
    link: &mut dyn Link,
    header: &Header,
    blocks: u64,
    block: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>,
    end: &mut dyn FnMut() -> io::Result<Trailer>,
    patience: Patience,
    stop: &Stop,
) -> io::Result<()> {
    let hello = Frame {
        kind: Kind::Hello,
        number: blocks,
        payload: serde_json::to_vec(header)?,
    };
    let mut trailer = None;
    // Before the first answer nothing is known to have arrived.
    let mut arrived: Option<u64> = None;
    let mut next = 0;
    let mut heard = Instant::now();
    link.send(&hello)?;
    loop {
        if stop.requested() {
            return Err(Errno::EINTR.into());
        }
        if let Some(arrived) = arrived {
            while next < blocks && next < arrived + WINDOW {
                link.send(&Frame {
                    kind: Kind::Data,
                    number: next,
                    payload: block(next)?,
                })?;
                next += 1;
            }
            if arrived == blocks && trailer.is_none() {
                let payload = serde_json::to_vec(&end()?)?;
                let frame = Frame {
                    kind: Kind::End,
                    number: blocks,
                    payload,
                };
                link.send(&frame)?;
                trailer = Some(frame);
                heard = Instant::now();
            }
        }
        let Some(frame) = link.receive(patience.again)? else {
            if heard.elapsed() > patience.give_up {
                return Err(Errno::ETIMEDOUT.into());
            }
            match (&trailer, arrived) {
                (Some(trailer), _) => link.send(trailer)?,
                (None, None) => link.send(&hello)?,
                (None, Some(arrived)) => next = arrived,
            }
            continue;
        };
        match frame.kind {
            Kind::Ack | Kind::Lost if frame.number <= blocks => {
                heard = Instant::now();
                let lost = frame.kind == Kind::Lost || arrived.is_none();
                arrived = Some(frame.number.max(arrived.unwrap_or(0)));
                if lost || next < frame.number {
                    next = frame.number;
                }
            }
            Kind::Done => return Ok(()),
            _ => {}
        }
    }
}

/// What a receiver does with what comes.
pub trait Sink {
    /// A sender says what comes, in `blocks` blocks. The number of the first that is wanted.
    fn begin(&mut self, header: Header, blocks: u64) -> io::Result<u64>;

    /// The next block.
    fn block(&mut self, payload: &[u8]) -> io::Result<()>;

    /// That was all.
    fn end(&mut self, trailer: &Trailer) -> io::Result<()>;
}

/// Takes what a sender sends; returns when all of it is in `sink`.
pub fn receive(
    link: &mut dyn Link,
    sink: &mut dyn Sink,
    patience: Patience,
    stop: &Stop,
) -> io::Result<()> {
    // The number of the block that is wanted, once a sender has said what comes.
    let mut wanted: Option<u64> = None;
    let mut complained = None;
    let mut heard = Instant::now();
    loop {
        if stop.requested() {
            return Err(Errno::EINTR.into());
        }
        let Some(frame) = link.receive(patience.again)? else {
            if heard.elapsed() > patience.give_up {
                return Err(Errno::ETIMEDOUT.into());
            }
            if let Some(wanted) = wanted {
                link.send(&Frame::bare(Kind::Lost, wanted))?;
            }
            continue;
        };
        match (frame.kind, wanted) {
            (Kind::Hello, _) => {
                let header = serde_json::from_slice(&frame.payload)?;
                let first = sink.begin(header, frame.number)?;
                wanted = Some(first);
                link.send(&Frame::bare(Kind::Lost, first))?;
            }
            (Kind::Data, Some(number)) if frame.number == number => {
                sink.block(&frame.payload)?;
                wanted = Some(number + 1);
                complained = None;
                link.send(&Frame::bare(Kind::Ack, number + 1))?;
            }
            (Kind::Data, Some(number)) if frame.number > number => {
                // Once a loss: what else is on its way says nothing new.
                if complained != Some(number) {
                    link.send(&Frame::bare(Kind::Lost, number))?;
                    complained = Some(number);
                }
            }
            (Kind::Data, Some(number)) => link.send(&Frame::bare(Kind::Ack, number))?,
            (Kind::End, Some(number)) if frame.number == number => {
                let ended = sink.end(&serde_json::from_slice(&frame.payload)?);
                // Several, because nobody says whether it has arrived; the sender may have gone.
                for _ in 0..3 {
                    let _ = link.send(&Frame::bare(Kind::Done, number));
                }
                return ended;
            }
            _ => continue,
        }
        heard = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
        thread,
    };

    use super::*;
    use crate::{
        codec::format::Format,
        manifest::{Manifest, Origin},
    };

    const PATIENCE: Patience = Patience {
        again: Duration::from_millis(20),
        give_up: Duration::from_secs(20),
    };

    /// A link that loses, repeats, corrupts and cuts lines, the same ones in every run.
    struct Noisy {
        to: Sender<Vec<u8>>,
        from: Receiver<Vec<u8>>,
        state: u32,
        /// One line of so many is hurt.
        rate: u32,
    }

    impl Noisy {
        fn random(&mut self) -> u32 {
            self.state = self
                .state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.state >> 8
        }
    }

    impl Link for Noisy {
        fn send(&mut self, frame: &Frame) -> io::Result<()> {
            let mut line = frame.encode().into_bytes();
            let at = self.random() as usize % line.len();
            if self.random().is_multiple_of(self.rate) {
                match self.random() % 4 {
                    0 => return Ok(()),
                    1 => line[at] ^= 1 << (self.random() % 7),
                    2 => drop(line.remove(at)),
                    _ => drop(self.to.send(line.clone())),
                }
            }
            // The other end may have gone already.
            let _ = self.to.send(line);
            Ok(())
        }

        fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>> {
            match self.from.recv_timeout(patience) {
                Ok(line) => Ok(Frame::decode(&line)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    fn pair(seed: u32, rate: u32) -> (Noisy, Noisy) {
        let (to_receiver, at_receiver) = channel();
        let (to_sender, at_sender) = channel();
        let end = |to, from, state| Noisy {
            to,
            from,
            state,
            rate,
        };
        (
            end(to_receiver, at_sender, seed),
            end(to_sender, at_receiver, !seed),
        )
    }

    #[derive(Default)]
    struct Store {
        blocks: Vec<Vec<u8>>,
        ended: Option<Trailer>,
    }

    impl Sink for Store {
        fn begin(&mut self, _header: Header, _blocks: u64) -> io::Result<u64> {
            Ok(self.blocks.len() as u64)
        }

        fn block(&mut self, payload: &[u8]) -> io::Result<()> {
            self.blocks.push(payload.to_vec());
            Ok(())
        }

        fn end(&mut self, trailer: &Trailer) -> io::Result<()> {
            self.ended = Some(trailer.clone());
            Ok(())
        }
    }

    fn header() -> Header {
        let origin = Origin {
            region: "capture".into(),
            base: None,
            offset: 0,
            length: 1,
        };
        Header {
            manifest: Manifest::begin(origin, Format::Raw, 0, 1),
            compression: None,
            digest: None,
        }
    }

    fn content(number: u64) -> Vec<u8> {
        vec![number as u8; 100 + number as usize]
    }

    /// Sends `blocks` blocks to a store that has `have` of them already.
    fn play(seed: u32, rate: u32, blocks: u64, have: u64) -> Store {
        let (mut sender, mut receiver) = pair(seed, rate);
        let mut store = Store {
            blocks: (0..have).map(content).collect(),
            ended: None,
        };
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut block = |number| Ok(content(number));
                let mut end = || {
                    Ok(Trailer {
                        bytes: blocks,
                        digest: None,
                        error: None,
                    })
                };
                // When the last answer is lost it cannot know.
                let _ = send(
                    &mut sender,
                    &header(),
                    blocks,
                    &mut block,
                    &mut end,
                    PATIENCE,
                    &Stop::default(),
                );
            });
            receive(&mut receiver, &mut store, PATIENCE, &Stop::default()).unwrap();
            drop(receiver);
        });
        store
    }

    fn check(store: &Store, blocks: u64) {
        assert!(store.blocks.iter().cloned().eq((0..blocks).map(content)));
        assert_eq!(
            store.ended.as_ref().map(|trailer| trailer.bytes),
            Some(blocks)
        );
    }

    #[test]
    fn a_clean_line_is_used_once() {
        check(&play(1, u32::MAX, 40, 0), 40);
    }

    #[test]
    fn noise_costs_time_and_nothing_else() {
        for seed in 1..6 {
            check(&play(seed, 5, 60, 0), 60);
        }
    }

    #[test]
    fn what_is_there_already_is_not_sent_again() {
        check(&play(7, 9, 50, 30), 50);
    }

    #[test]
    fn nobody_at_the_other_end_is_noticed() {
        let (mut sender, _receiver) = pair(1, u32::MAX);
        let patience = Patience {
            give_up: Duration::from_millis(50),
            ..PATIENCE
        };
        let error = send(
            &mut sender,
            &header(),
            1,
            &mut |number| Ok(content(number)),
            &mut || unreachable!("nothing has arrived"),
            patience,
            &Stop::default(),
        )
        .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ETIMEDOUT as i32));
    }
}
