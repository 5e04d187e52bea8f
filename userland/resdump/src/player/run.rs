// SPDX-License-Identifier: MIT

//! The loop of a player.

use std::{
    io,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use resdump_format::recording::{
    player::{self, Account, Deck, Event as Decision, Flaw, Load, Player, Step},
    position::Sample,
    proof::Ring,
};

use super::{Outlet, Tape};
use crate::{
    engine::Moved,
    error::errno_of,
    recorder::{NO_POSITION, NO_WAIT},
    signals::Stop,
};

/// Longest time that the loop waits for the device.
const LONGEST: Duration = Duration::from_secs(1);

type Failure = (&'static str, Errno);

/// How a recording is to be played. Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The ring.
    pub ring: Ring,
    /// Longest time between two looks at the position.
    pub patience: Option<Duration>,
    /// Most bytes of a read.
    pub chunk: u64,
    /// Block of the disk.
    pub block: u64,
    /// From the device's position to the first byte, at least.
    pub ahead: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Totals.
    pub account: Account,
    /// Bytes that were not recorded, and for which zeroes stand in the ring.
    pub zeroes: u64,
    /// Bytes that went from disk to the ring by DMA.
    pub direct: u64,
    /// And those that a processor copied.
    pub copied: u64,
    /// The longest time that a read took.
    pub longest: Duration,
}

/// What a player tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// It did something, and is here now.
    Turn(&'a State),
    /// The device was faster.
    Underrun(&'a Underrun),
    /// The position was lost. From here on the device may be laps beyond what is counted.
    Lost(Place),
}

/// Where something is in what is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How often everything was played before.
    pub lap: u64,
    /// A byte, in the stream.
    pub at: u64,
}

/// Bytes that the device may have read before they were there, or that were left out because it was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underrun {
    /// They were loaded.
    pub loaded: bool,
    /// How often everything was played before.
    pub lap: u64,
    /// First byte, in the stream.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// Totals.
    pub state: State,
    /// The device's position at which it read the first byte.
    pub start: u64,
    /// The device has read all of it.
    pub ended: bool,
    /// The device has stopped after its position was lost: it may have read all of it.
    pub stopped: bool,
    /// What ended it, unless that was asked for.
    pub failure: Option<(&'static str, Errno)>,
}

/// Why it was not begun.
#[derive(Debug)]
pub enum Refusal {
    /// By the sizes.
    Flaw(Flaw),
    /// The position cannot be read.
    Position(Errno),
}

struct Running<'a> {
    outlet: &'a mut dyn Outlet,
    tape: &'a mut Tape,
    stop: &'a Stop,
    state: State,
    failure: Option<Failure>,
    tell: &'a mut dyn FnMut(&Event<'_>),
}

/// Plays `tape` until the device has read all of it, or `stop`.
pub fn run(
    outlet: &mut dyn Outlet,
    tape: &mut Tape,
    limits: &Limits,
    stop: &Stop,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Result<Outcome, Refusal> {
    let sample = outlet.position().map_err(Refusal::Position)?;
    let sizes = (limits.chunk, limits.block);
    let mut player = Player::new(limits.ring, sizes, &sample, limits.ahead, tape.length())
        .map_err(Refusal::Flaw)?;
    let mut running = Running {
        outlet,
        tape,
        stop,
        state: State::default(),
        failure: None,
        tell,
    };
    let longest = limits.patience.map_or(LONGEST, |time| time / 2);
    let longest = longest.clamp(Duration::from_millis(1), LONGEST);
    let (mut ended, mut stopped) = (false, false);
    loop {
        if stop.requested() || running.failure.is_some() {
            player.cut();
        }
        let step = player::turn(&mut player, &mut running);
        running.account(&player);
        let waited = match step {
            Ok(Step::Loaded) => Ok(()),
            Ok(Step::Ended) => {
                ended = !stop.requested() && running.failure.is_none();
                break;
            }
            // Of what has no end a signal is the end.
            Ok(Step::Wait(_)) if player.has_stopped() && !running.tape.is_looped() => {
                stopped = true;
                break;
            }
            Ok(Step::Wait(position)) => running
                .outlet
                .wait(position, longest)
                .map_err(|error| (NO_WAIT, errno_of(&error))),
            Err(failure) => {
                // Without a position nothing can be judged.
                running.failure.get_or_insert(failure);
                break;
            }
        };
        if let Err(failure) = waited {
            running.failure.get_or_insert(failure);
        }
    }
    Ok(Outcome {
        start: player.start(),
        ended,
        stopped,
        failure: running.failure,
        state: running.state,
    })
}

impl Running<'_> {
    /// Takes the account over and reports it; a position that is lost comes first.
    fn account(&mut self, player: &Player) {
        let before = std::mem::replace(&mut self.state.account, *player.account());
        if player.account().unsure && !before.unsure {
            let (lap, at) = self.tape.stream(player.at());
            (self.tell)(&Event::Lost(Place { lap, at }));
        }
        (self.tell)(&Event::Turn(&self.state));
    }

    fn read(&mut self, load: &Load) -> Result<Moved, Failure> {
        let Some((number, offset)) = self.tape.spot(load.from).place else {
            self.outlet
                .zero(load.memory, load.length)
                .map_err(|error| ("cannot write zeroes to the region", errno_of(&error)))?;
            self.state.zeroes += load.length;
            return Ok(Moved {
                bytes: load.length,
                ..Moved::default()
            });
        };
        let cannot = |error: io::Error| ("cannot open a segment", errno_of(&error));
        let file = self.tape.segment(number).map_err(cannot)?;
        Ok(self.outlet.load(load.memory, load.length, file, offset))
    }
}

impl Deck for Running<'_> {
    type Error = Failure;

    fn position(&mut self) -> Result<Sample, Failure> {
        self.outlet.position().map_err(|errno| (NO_POSITION, errno))
    }

    fn together(&mut self, at: u64) -> u64 {
        self.tape.spot(at).length
    }

    /// A failure is kept: what arrived before it is judged, and nothing follows.
    fn load(&mut self, load: &Load) -> Result<u64, Failure> {
        let begun = Instant::now();
        let moved = self.read(load).unwrap_or_else(|failure| {
            self.failure.get_or_insert(failure);
            Moved::default()
        });
        self.state.longest = self.state.longest.max(begun.elapsed());
        self.state.direct += moved.direct;
        self.state.copied += moved.copied;
        match moved.error {
            Some(Errno::EINTR) if self.stop.requested() => {}
            Some(errno) => {
                self.failure.get_or_insert(("cannot load", errno));
            }
            None => {}
        }
        Ok(moved.bytes)
    }

    fn event(&mut self, event: Decision) -> Result<(), Failure> {
        let (loaded, mut from, to) = match event {
            Decision::Whole(..) => return Ok(()),
            Decision::Late(from, to) => (true, from, to),
            Decision::Missed(from, to) => (false, from, to),
        };
        while from < to {
            let (lap, begin) = self.tape.stream(from);
            let length = (self.tape.lap() - from % self.tape.lap()).min(to - from);
            (self.tell)(&Event::Underrun(&Underrun {
                loaded,
                lap,
                from: begin,
                to: begin + length,
            }));
            from += length;
        }
        Ok(())
    }
}
