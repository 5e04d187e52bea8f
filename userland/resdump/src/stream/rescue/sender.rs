// SPDX-License-Identifier: MIT

//! The sender.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use super::{Broken, Patience, WINDOW};
use crate::{
    signals::Stop,
    stream::{
        frame::{Frame, Kind, Seen},
        link::Link,
        messages::{Header, Start, Trailer, Verdict},
        socket::why,
    },
};

/// Bytes that may always be on their way: small blocks are not worth waiting for.
const FEW: u64 = 1024;

/// Shortest wait before a question.
const QUICK: Duration = Duration::from_millis(200);

/// A question that is not answered is asked again after twice the time, so often.
const DOUBLINGS: u32 = 3;

/// Sends all blocks that `block` gives, `blocks` of them, after `header`; `end` makes the trailer. What
/// the receiver says of it.
pub fn send(
    link: &mut dyn Link,
    header: &Header,
    blocks: u64,
    block: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>,
    end: &mut dyn FnMut() -> io::Result<Trailer>,
    patience: Patience,
    stop: &Stop,
) -> Result<Verdict, Broken> {
    let hello = serde_json::to_vec(header).map_err(|error| failed(&error.into()))?;
    let mut sender = Sender {
        link,
        session: header.session,
        hello: Frame {
            kind: Kind::Hello,
            number: blocks,
            payload: hello,
        },
        blocks,
        flight: None,
        trailer: None,
        patience,
        heard: Instant::now(),
        asked: Instant::now(),
        questions: 0,
        frames: 0,
        begun: None,
        acknowledged: 0,
        turn: None,
    };
    sender.run(block, end, stop).map_err(|broken| match broken {
        Ended::Broken(broken) => broken,
        Ended::Failed(error) => failed(&error),
    })
}

fn failed(error: &io::Error) -> Broken {
    match why(error) {
        Errno::ECONNRESET | Errno::EPIPE => Broken::Gone,
        errno => Broken::Failed(errno),
    }
}

enum Ended {
    Broken(Broken),
    Failed(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

struct Sender<'a> {
    link: &'a mut dyn Link,
    session: u32,
    hello: Frame,
    blocks: u64,
    /// Since the receiver has said where to begin.
    flight: Option<Flight>,
    trailer: Option<Frame>,
    patience: Patience,
    /// The last that the receiver said.
    heard: Instant,
    /// The last question, or what has the same effect.
    asked: Instant,
    /// Since the receiver was heard.
    questions: u32,
    /// Of the receiver.
    frames: u64,
    /// The first block left, and what of all is known to have arrived: the speed of the line.
    begun: Option<Instant>,
    acknowledged: u64,
    /// From a block to its answer.
    turn: Option<Duration>,
}

/// What is on its way.
#[derive(Default)]
struct Flight {
    /// All before it have arrived.
    wanted: u64,
    /// The first that was never sent.
    next: u64,
    /// To be sent again.
    lost: BTreeSet<u64>,
    sent: BTreeMap<u64, Sent>,
    /// Of what is sent, in order.
    clock: u64,
    /// When question `.0` was asked.
    poll: (u32, u64),
}

struct Sent {
    at: u64,
    when: Instant,
    bytes: u64,
    /// For the second time or more: which of them has arrived is not known.
    again: bool,
}

/// What an answer says.
struct Arrived {
    /// Bytes that are not on their way any more.
    bytes: u64,
    /// From the last of these blocks to this.
    turn: Option<Duration>,
}

impl Sender<'_> {
    fn run(
        &mut self,
        block: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>,
        end: &mut dyn FnMut() -> io::Result<Trailer>,
        stop: &Stop,
    ) -> Result<Verdict, Ended> {
        self.link.send(&self.hello)?;
        loop {
            if stop.requested() {
                return Err(Ended::Broken(Broken::Failed(Errno::EINTR)));
            }
            self.fill(block)?;
            let arrived = self.flight.as_ref().map(|flight| flight.wanted);
            if arrived == Some(self.blocks) && self.trailer.is_none() {
                let frame = Frame {
                    kind: Kind::End,
                    number: self.blocks,
                    payload: serde_json::to_vec(&end()?).map_err(io::Error::from)?,
                };
                self.link.send(&frame)?;
                self.trailer = Some(frame);
                self.heard = Instant::now();
                self.asked = self.heard;
            }
            match self.link.receive(QUICK.min(self.patience.again))? {
                Some(frame) => {
                    if let Some(verdict) = self.hear(&frame)? {
                        return Ok(verdict);
                    }
                }
                None => self.ask()?,
            }
        }
    }

    /// Sends what the line can take now.
    fn fill(&mut self, block: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>) -> io::Result<()> {
        let rate = self.rate();
        let Some(flight) = &mut self.flight else {
            return Ok(());
        };
        loop {
            let on_their_way: u64 = flight.sent.values().map(|sent| sent.bytes).sum();
            // Two, so that the line has work while the answer to the first comes.
            if flight.sent.len() >= 2 && on_their_way >= FEW.max(rate) {
                return Ok(());
            }
            let (number, again) = match flight.lost.pop_first() {
                Some(number) => (number, true),
                None if flight.next < self.blocks.min(flight.wanted.saturating_add(WINDOW)) => {
                    flight.next += 1;
                    (flight.next - 1, false)
                }
                None => return Ok(()),
            };
            let frame = Frame {
                kind: Kind::Data,
                number,
                payload: block(number)?,
            };
            self.link.send(&frame)?;
            self.begun.get_or_insert_with(Instant::now);
            if flight.sent.is_empty() {
                self.asked = Instant::now();
            }
            flight.clock += 1;
            let sent = Sent {
                at: flight.clock,
                when: Instant::now(),
                bytes: frame.encode().len() as u64,
                again,
            };
            flight.sent.insert(number, sent);
        }
    }

    /// Bytes a second of the line, as far as is known.
    fn rate(&self) -> u64 {
        let Some(begun) = self.begun else { return 0 };
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.acknowledged.saturating_mul(1000) / millis.max(100)
    }

    /// Takes in what the receiver says; its verdict, if that is it.
    fn hear(&mut self, frame: &Frame) -> Result<Option<Verdict>, Ended> {
        let is_ours = frame.number == u64::from(self.session);
        match frame.kind {
            Kind::Start => {
                let start: Start = match serde_json::from_slice(&frame.payload) {
                    Ok(start) => start,
                    Err(_) => return Ok(None),
                };
                if start.session == self.session
                    && frame.number <= self.blocks
                    && self.flight.is_none()
                {
                    self.flight = Some(Flight {
                        wanted: frame.number,
                        next: frame.number,
                        ..Flight::default()
                    });
                    self.trailer = None;
                }
            }
            Kind::Ack => {
                let blocks = self.blocks;
                if let Some(flight) = self.flight.as_mut().filter(|_| frame.number <= blocks) {
                    let seen = Seen::decode(&frame.payload);
                    let arrived = flight.acknowledge(frame.number, seen);
                    self.acknowledged += arrived.bytes;
                    self.turn = arrived.turn.or(self.turn);
                }
            }
            Kind::Lost if frame.payload.is_empty() && self.flight.is_none() => {
                return Err(Ended::Broken(Broken::Old));
            }
            // It was started again, and does not know what comes.
            Kind::Who => {
                self.flight = None;
                self.link.send(&self.hello)?;
            }
            Kind::Done | Kind::Fail if is_ours => {
                if let Ok(verdict) = serde_json::from_slice::<Verdict>(&frame.payload)
                    && verdict.error.is_none() == (frame.kind == Kind::Done)
                {
                    let bye = Frame::bare(Kind::Bye, frame.number);
                    // The receiver waits for it, and not for ever.
                    for _ in 0..2 {
                        let _ = self.link.send(&bye);
                    }
                    return Ok(Some(verdict));
                }
            }
            _ => return Ok(None),
        }
        self.frames += 1;
        self.heard = Instant::now();
        self.asked = self.heard;
        self.questions = 0;
        Ok(None)
    }

    /// Nothing has come for a while: asks, when what is on its way must have arrived.
    fn ask(&mut self) -> Result<(), Ended> {
        if self.heard.elapsed() > self.patience.give_up {
            return Err(Ended::Broken(match (self.frames, self.link.heard()) {
                (0, 0) => Broken::Silence,
                (0, _) => Broken::NoFrames,
                _ => Broken::Gone,
            }));
        }
        let most = match &self.flight {
            // The receiver may be started at any moment.
            None => DOUBLINGS - 1,
            Some(_) => DOUBLINGS,
        };
        let doublings = self.questions.min(most);
        let first = match (&self.flight, &self.trailer, self.turn) {
            (Some(_), None, Some(turn)) => (turn * 2).max(QUICK).min(self.patience.again),
            _ => self.patience.again,
        };
        let wait = first * 2u32.pow(doublings);
        if self.asked.elapsed() < wait + self.drain() {
            return Ok(());
        }
        self.asked = Instant::now();
        self.questions += 1;
        match (&self.trailer, &mut self.flight) {
            (_, None) => self.link.send(&self.hello)?,
            (Some(trailer), _) => self.link.send(trailer)?,
            (None, Some(flight)) => {
                flight.poll = (flight.poll.0.wrapping_add(1), flight.clock);
                let poll = Frame::bare(Kind::Poll, flight.poll.0.into());
                self.link.send(&poll)?;
            }
        }
        Ok(())
    }

    /// For what is on its way to arrive.
    fn drain(&self) -> Duration {
        let bytes: u64 = self
            .flight
            .iter()
            .flat_map(|flight| flight.sent.values())
            .map(|sent| sent.bytes)
            .sum();
        match self.rate() {
            0 => Duration::ZERO,
            rate => Duration::from_millis(bytes.saturating_mul(1000) / rate)
                .min(self.patience.give_up / 4),
        }
    }
}

impl Flight {
    /// All blocks before `wanted`, and some others, have arrived.
    fn acknowledge(&mut self, wanted: u64, seen: Seen) -> Arrived {
        self.wanted = self.wanted.max(wanted);
        self.next = self.next.max(self.wanted);
        self.lost = self.lost.split_off(&self.wanted);
        let has = |number: u64| {
            number < wanted
                || (number > wanted
                    && number - wanted <= WINDOW
                    && seen.later >> (number - wanted - 1) & 1 == 1)
        };
        // What was sent before this, and is not there, is lost.
        let mut before = match seen.poll != 0 && seen.poll == self.poll.0 {
            true => self.poll.1,
            false => 0,
        };
        let (mut bytes, mut turn) = (0, None);
        self.sent.retain(|number, sent| {
            let arrived = has(*number);
            if arrived {
                bytes += sent.bytes;
                if !sent.again {
                    before = before.max(sent.at);
                    turn = Some(sent.when.elapsed());
                }
            }
            !arrived
        });
        let lost = &mut self.lost;
        self.sent.retain(|number, sent| {
            if sent.at <= before {
                lost.insert(*number);
            }
            sent.at > before
        });
        self.lost.retain(|number| !has(*number));
        Arrived { bytes, turn }
    }
}
