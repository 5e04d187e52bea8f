// SPDX-License-Identifier: MIT

//! The receiver.

use std::{
    collections::BTreeMap,
    io, thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use super::{Broken, End, Patience, Sink, WINDOW};
use crate::{
    signals::Stop,
    stream::{
        frame::{Frame, Kind, Seen},
        link::Link,
        messages::{Header, Start, Trailer, Verdict},
        socket::{LOOK, why},
    },
};

/// Most bytes of a block that is kept until those before it come.
const PAYLOAD_MAX: usize = 16 << 10;

/// As long as bytes come a frame may be on its way, also over the slowest of lines; for so many times the
/// patience.
const SLOWNESS: u32 = 10;

/// A sender that has said so often what comes, and nothing else, hears nothing.
const HELLOS: u32 = 3;

/// Takes what a sender sends, until `sink` has been notified of the end.
pub fn receive(link: &mut dyn Link, sink: &mut dyn Sink, patience: Patience, stop: &Stop) {
    let mut receiver = Receiver {
        link,
        session: None,
        patience,
        stop,
        later: BTreeMap::new(),
        poll: 0,
        complained: None,
        said: Instant::now(),
        frames: 0,
        hellos: 0,
    };
    match receiver.run(sink) {
        Ok(verdict) => receiver.tell(&verdict, true),
        Err(end) => {
            let is_there = matches!(end, End::Error(_));
            let verdict = sink.finish(Err(end));
            receiver.tell(&verdict, is_there);
        }
    }
}

struct Receiver<'a> {
    link: &'a mut dyn Link,
    session: Option<Session>,
    patience: Patience,
    stop: &'a Stop,
    /// Blocks after the one that is wanted.
    later: BTreeMap<u64, Vec<u8>>,
    poll: u32,
    /// The block of which a sender of version 1 was notified that it is lost.
    complained: Option<u64>,
    /// When something was said last.
    said: Instant,
    /// Of the sender.
    frames: u64,
    /// Of those the last that say what comes, one after the other.
    hellos: u32,
}

#[derive(Clone, Copy)]
struct Session {
    number: u32,
    version: u32,
    /// The block that is wanted.
    wanted: u64,
}

impl Receiver<'_> {
    fn run(&mut self, sink: &mut dyn Sink) -> Result<Verdict, End> {
        let mut frame_at = Instant::now();
        let mut byte_at = frame_at;
        let mut bytes = self.link.heard();
        loop {
            if self.stop.requested() {
                return Err(End::Broken(Broken::Failed(Errno::EINTR)));
            }
            let frame = self.receive()?;
            let now = Instant::now();
            if self.link.heard() != bytes {
                bytes = self.link.heard();
                byte_at = now;
            }
            let Some(frame) = frame else {
                let slow = self.patience.give_up * SLOWNESS;
                let is_silent = now - byte_at > self.patience.give_up;
                if now - frame_at > slow || (is_silent && now - frame_at > self.patience.give_up) {
                    return Err(End::Broken(self.silence()));
                }
                self.remind(now - byte_at < self.patience.again)?;
                continue;
            };
            if let Some(trailer) = self.hear(&frame, sink)? {
                return self.end(&trailer, sink);
            }
            if is_senders(frame.kind) {
                frame_at = now;
                self.frames += 1;
            }
        }
    }

    fn receive(&mut self) -> Result<Option<Frame>, End> {
        self.link
            .receive(LOOK.min(self.patience.again))
            .map_err(|error| broken(&error))
    }

    /// Why a sender is taken for dead.
    fn silence(&self) -> Broken {
        match (self.frames, self.link.heard()) {
            (0, 0) => Broken::Silence,
            (0, _) => Broken::NoFrames,
            _ if self.hellos >= HELLOS => Broken::Deaf,
            _ => Broken::Gone,
        }
    }

    fn say(&mut self, kind: Kind, number: u64, payload: Vec<u8>) -> Result<(), End> {
        self.said = Instant::now();
        let frame = Frame {
            kind,
            number,
            payload,
        };
        self.link.send(&frame).map_err(|error| broken(&error))
    }

    /// What of the dump is there.
    fn acknowledge(&mut self, session: Session) -> Result<(), End> {
        if session.version == 1 {
            return self.say(Kind::Ack, session.wanted, Vec::new());
        }
        let later = self
            .later
            .keys()
            .map(|number| 1 << (number - session.wanted - 1))
            .fold(0, |all, bit: u64| all | bit);
        let seen = Seen {
            poll: self.poll,
            later,
        };
        self.say(Kind::Ack, session.wanted, seen.encode())
    }

    /// Nothing has come for a moment. While bytes come the sender must not take this end for dead; when
    /// none come, one of version 1 must be notified where to restart.
    fn remind(&mut self, bytes_come: bool) -> Result<(), End> {
        let Some(session) = self.session else {
            return Ok(());
        };
        if self.said.elapsed() < self.patience.again.mul_f32(0.5) {
            return Ok(());
        }
        match (bytes_come, session.version) {
            (true, _) => self.acknowledge(session),
            (false, 1) if self.said.elapsed() >= self.patience.again => {
                self.say(Kind::Lost, session.wanted, Vec::new())
            }
            (false, _) => Ok(()),
        }
    }

    /// Takes in a frame; what the sender says at its end, if that is it.
    fn hear(&mut self, frame: &Frame, sink: &mut dyn Sink) -> Result<Option<Trailer>, End> {
        match (frame.kind, self.session) {
            (Kind::Hello, _) => self.begin(frame, sink)?,
            (Kind::Data | Kind::End | Kind::Poll, None) => {
                if self.said.elapsed() > self.patience.again || self.frames == 0 {
                    self.say(Kind::Who, 0, Vec::new())?;
                }
            }
            (Kind::Data, Some(session)) => self.data(frame, session, sink)?,
            (Kind::Poll, Some(session)) => {
                self.poll = frame.number as u32;
                self.hellos = 0;
                self.acknowledge(session)?;
            }
            (Kind::End, Some(session)) if frame.number == session.wanted => {
                // What is no trailer was not meant for this.
                return Ok(serde_json::from_slice(&frame.payload).ok());
            }
            (Kind::End, Some(session)) => self.acknowledge(session)?,
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, frame: &Frame, sink: &mut dyn Sink) -> Result<(), End> {
        let Ok(header) = serde_json::from_slice::<Header>(&frame.payload) else {
            return Ok(());
        };
        self.hellos += 1;
        let (number, version) = (header.session, header.version);
        // Known before anything can fail, because the verdict is for it.
        self.session = Some(Session {
            number,
            version,
            wanted: 0,
        });
        let mut start = Start::of(&header, 0, None);
        let wanted = sink.begin(header, frame.number).map_err(End::Error)?;
        self.session = Some(Session {
            number,
            version,
            wanted,
        });
        self.later.clear();
        self.poll = 0;
        self.complained = None;
        if version == 1 {
            return self.say(Kind::Lost, wanted, Vec::new());
        }
        start.bytes = wanted.saturating_mul(super::BLOCK);
        let payload = serde_json::to_vec(&start).unwrap_or_default();
        self.say(Kind::Start, wanted, payload)
    }

    fn data(
        &mut self,
        frame: &Frame,
        mut session: Session,
        sink: &mut dyn Sink,
    ) -> Result<(), End> {
        self.hellos = 0;
        if frame.number > session.wanted {
            let is_near = frame.number - session.wanted <= WINDOW;
            if is_near && frame.payload.len() <= PAYLOAD_MAX {
                self.later.insert(frame.number, frame.payload.clone());
            }
            if session.version > 1 {
                return self.acknowledge(session);
            }
            // Once a loss: what else is on its way says nothing new.
            if self.complained == Some(session.wanted) {
                return Ok(());
            }
            self.complained = Some(session.wanted);
            return self.say(Kind::Lost, session.wanted, Vec::new());
        }
        if frame.number == session.wanted {
            let mut payload = Some(frame.payload.clone());
            while let Some(block) = payload {
                sink.block(&block).map_err(End::Error)?;
                session.wanted += 1;
                payload = self.later.remove(&session.wanted);
            }
            self.session = Some(session);
            self.complained = None;
        }
        self.acknowledge(session)
    }

    /// Lets the sink check and store, and meanwhile gives signs of life.
    fn end(&mut self, trailer: &Trailer, sink: &mut dyn Sink) -> Result<Verdict, End> {
        let session = self.session;
        Ok(thread::scope(|scope| {
            let work = scope.spawn(|| sink.finish(Ok(trailer)));
            let mut at = Instant::now();
            let moment = Duration::from_millis(20).min(self.patience.again);
            while !work.is_finished() {
                // Whatever comes now is said again by the sender.
                if self.link.receive(moment).is_err() {
                    break;
                }
                if at.elapsed() >= self.patience.again.mul_f32(0.5)
                    && let Some(session) = session
                {
                    at = Instant::now();
                    let _ = self.acknowledge(session);
                }
            }
            match work.join() {
                Ok(verdict) => verdict,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }))
    }

    /// Sends the verdict: to a sender that is there until it has heard it.
    fn tell(&mut self, verdict: &Verdict, is_there: bool) {
        let Some(session) = self.session else { return };
        let frame = self.last_word(verdict, session);
        if session.version == 1 {
            // It does not say that it has heard.
            for _ in 0..3 {
                if let Some(frame) = &frame {
                    let _ = self.link.send(frame);
                }
            }
            return;
        }
        let Some(frame) = frame else { return };
        for _ in 0..4 {
            if self.link.send(&frame).is_err() || !is_there {
                return;
            }
            let end = Instant::now() + self.patience.again;
            while Instant::now() < end {
                match self.link.receive(LOOK.min(self.patience.again)) {
                    Ok(Some(heard)) if heard.kind == Kind::Bye => return,
                    // It asks.
                    Ok(Some(heard)) if matches!(heard.kind, Kind::End | Kind::Poll) => break,
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        }
        log::warn!("the sender has not said that it knows how this ended");
    }

    /// `None`: a sender of version 1 takes silence for a failure, and any answer for success.
    fn last_word(&self, verdict: &Verdict, session: Session) -> Option<Frame> {
        let kind = match verdict.error {
            None => Kind::Done,
            Some(_) => Kind::Fail,
        };
        match (session.version, kind) {
            (1, Kind::Fail) => None,
            (1, _) => Some(Frame::bare(kind, session.wanted)),
            _ => Some(Frame {
                kind,
                number: session.number.into(),
                payload: serde_json::to_vec(verdict).unwrap_or_default(),
            }),
        }
    }
}

fn is_senders(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Hello | Kind::Data | Kind::End | Kind::Poll | Kind::Bye
    )
}

fn broken(error: &io::Error) -> End {
    End::Broken(match why(error) {
        Errno::ECONNRESET | Errno::EPIPE => Broken::Gone,
        errno => Broken::Failed(errno),
    })
}
