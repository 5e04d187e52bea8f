// SPDX-License-Identifier: MIT

//! Both ends over lines of every sort.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    codec::format::Format,
    error::Error,
    exit_codes::ExitCode,
    manifest::{self, Origin},
    signals::Stop,
    stream::{
        frame::{Frame, Kind},
        link::Link,
    },
};

mod slow;
mod versions;

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
    heard: u64,
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
            Ok(line) => {
                self.heard += line.len() as u64;
                Ok(Frame::decode(&line))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn heard(&self) -> u64 {
        self.heard
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
        heard: 0,
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
    broken: Option<Broken>,
    /// As if the disk were full then.
    room: Option<usize>,
    /// As if it were slow.
    finishing: Duration,
}

fn full() -> Error {
    Error::new(
        ExitCode::NoSpace,
        "cannot write",
        "a",
        Errno::ENOSPC,
        "make room",
    )
}

impl Sink for Store {
    fn begin(&mut self, _header: Header, _blocks: u64) -> Result<u64> {
        Ok(self.blocks.len() as u64)
    }

    fn block(&mut self, payload: &[u8]) -> Result<()> {
        if self.room == Some(self.blocks.len()) {
            return Err(full());
        }
        self.blocks.push(payload.to_vec());
        Ok(())
    }

    fn finish(&mut self, trailer: std::result::Result<&Trailer, End>) -> Verdict {
        let bytes = self.blocks.len() as u64;
        match trailer {
            Ok(trailer) => {
                let end = Instant::now() + self.finishing;
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    thread::park_timeout(left);
                }
                self.ended = Some(trailer.clone());
                Verdict::of(bytes, None)
            }
            Err(End::Error(error)) => Verdict::of(bytes, Some(&error)),
            Err(End::Broken(broken)) => {
                self.broken = Some(broken);
                Verdict::of(bytes, Some(&full()))
            }
        }
    }
}

fn header(version: u32) -> Header {
    let origin = Origin {
        region: "capture".into(),
        base: None,
        offset: 0,
        length: 1,
    };
    Header {
        manifest: manifest::begin(origin, Format::Raw, 0, 1),
        compression: None,
        digest: None,
        version,
        session: 77,
    }
}

fn content(number: u64) -> Vec<u8> {
    vec![number as u8; 100 + number as usize]
}

fn trailer(blocks: u64) -> Trailer {
    Trailer {
        bytes: blocks,
        digest: None,
        error: None,
    }
}

type Sent = std::result::Result<Verdict, Broken>;

/// Sends `blocks` blocks to `store`; what the sender hears, and how often it has read a block.
fn play(
    (mut sender, mut receiver): (impl Link + Send, impl Link),
    blocks: u64,
    store: &mut Store,
    patience: Patience,
) -> (Sent, u64) {
    let stop = Stop::default();
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            let mut count = 0;
            let sent = send(
                &mut sender,
                &header(2),
                blocks,
                &mut |number| {
                    count += 1;
                    Ok(content(number))
                },
                &mut || Ok(trailer(blocks)),
                patience,
                &Stop::default(),
            );
            (sent, count)
        });
        receive(&mut receiver, store, patience, &stop);
        drop(receiver);
        sent.join().unwrap()
    })
}

fn check(store: &Store, blocks: u64) {
    assert!(store.blocks.iter().cloned().eq((0..blocks).map(content)));
    assert_eq!(
        store.ended.as_ref().map(|trailer| trailer.bytes),
        Some(blocks)
    );
}

#[test]
fn on_a_clean_line_each_block_is_sent_once() {
    for blocks in [0, 1, 2, 40, 300] {
        let mut store = Store::default();
        let (sent, count) = play(pair(1, u32::MAX), blocks, &mut store, PATIENCE);
        check(&store, blocks);
        assert_eq!(sent, Ok(Verdict::of(blocks, None)));
        assert_eq!(count, blocks);
    }
}

#[test]
fn noise_costs_time_and_nothing_else() {
    for seed in 1..12 {
        let mut store = Store::default();
        let (sent, _) = play(pair(seed, 5), 60, &mut store, PATIENCE);
        check(&store, 60);
        // When every last word is lost it cannot know.
        assert!(
            matches!(sent, Ok(Verdict { error: None, .. }) | Err(Broken::Gone)),
            "{sent:?}"
        );
    }
}

#[test]
fn what_is_there_already_is_not_sent_again() {
    let mut store = Store {
        blocks: (0..30).map(content).collect(),
        ..Store::default()
    };
    let (sent, count) = play(pair(7, u32::MAX), 50, &mut store, PATIENCE);
    check(&store, 50);
    assert!(sent.is_ok());
    assert_eq!(count, 20);
}

#[test]
fn the_receivers_failure_reaches_the_sender_while_it_sends() {
    let mut store = Store {
        room: Some(10),
        ..Store::default()
    };
    let (sent, count) = play(pair(3, u32::MAX), 1000, &mut store, PATIENCE);
    assert_eq!(sent, Ok(Verdict::of(10, Some(&full()))));
    assert!(count < 200, "{count}");
}

#[test]
fn a_slow_disk_at_the_receiver_is_not_silence() {
    let mut store = Store {
        finishing: Duration::from_millis(600),
        ..Store::default()
    };
    let patience = Patience {
        give_up: Duration::from_millis(200),
        ..PATIENCE
    };
    let (sent, _) = play(pair(3, u32::MAX), 3, &mut store, patience);
    assert_eq!(sent, Ok(Verdict::of(3, None)));
}

#[test]
fn an_end_that_hears_nothing_says_so() {
    let patience = Patience {
        give_up: Duration::from_millis(250),
        ..PATIENCE
    };
    let alone = |link: &mut dyn Link| {
        send(
            link,
            &header(2),
            1,
            &mut |number| Ok(content(number)),
            &mut || Ok(trailer(1)),
            patience,
            &Stop::default(),
        )
    };
    let (mut sender, mut receiver) = pair(1, u32::MAX);
    assert_eq!(alone(&mut sender), Err(Broken::Silence));
    // The hello comes again and again, and nothing else.
    let mut store = Store::default();
    receive(&mut receiver, &mut store, patience, &Stop::default());
    assert_eq!(store.broken, Some(Broken::Deaf));

    let (mut sender, receiver) = pair(1, u32::MAX);
    receiver.to.send(b"login: ".to_vec()).unwrap();
    assert_eq!(alone(&mut sender), Err(Broken::NoFrames));
    drop(receiver);
    assert_eq!(alone(&mut sender), Err(Broken::Gone));

    let (_sender, mut receiver) = pair(1, u32::MAX);
    let mut store = Store::default();
    receive(&mut receiver, &mut store, patience, &Stop::default());
    assert_eq!(store.broken, Some(Broken::Silence));
}
