// SPDX-License-Identifier: MIT

//! The sender's side of a connection: a thread hears what the receiver says while the dump is sent, so
//! that a failure there ends it here.

use std::{
    fs::File,
    io,
    net::{Shutdown, TcpStream},
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use nix::errno::Errno;

use super::{
    socket::{self, LOOK, Limit, Patient, why},
    wire::{self, Answer, Header, Start, Trailer, Verdict, Version},
};
use crate::{
    address::Address,
    signals::{self, Stop},
};

/// A connection to a receiver.
pub struct Client {
    out: File,
    answers: Receiver<Heard>,
}

enum Heard {
    Start(Start),
    End(Ended),
}

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The receiver said how.
    Verdict(Verdict),
    /// The receiver closed the connection before it identified itself.
    NoAnswer,
    /// It speaks another version.
    Version(u32),
    /// It broke, for this reason.
    Broken(Errno),
}

impl Client {
    /// Connects. A receiver is taken for dead after `silence`.
    pub fn connect(address: &Address, silence: Duration) -> io::Result<Self> {
        let stream = socket::connect(address, silence)?;
        let out = OwnedFd::from(stream.try_clone()?).into();
        let (tell, answers) = channel();
        // A signal is for the thread that sends.
        signals::blocked(|| thread::spawn(move || hear(&stream, silence, &tell)));
        Ok(Self { out, answers })
    }

    /// Where the bytes go to.
    pub fn out(&self) -> &File {
        &self.out
    }

    /// Says what comes; what the receiver has already.
    pub fn begin(&self, header: &Header, stop: &Stop) -> Result<Start, Ended> {
        wire::write_header(&mut &self.out, header).map_err(|error| self.ended(&error))?;
        match self.wait(stop) {
            Heard::Start(start) if start.session == header.session => Ok(start),
            Heard::Start(_) => Err(Ended::Broken(Errno::EPROTO)),
            Heard::End(ended) => Err(ended),
        }
    }

    /// A sign of life, while nothing can be sent. What is wrong is noticed with the next block.
    pub fn beat(&self) {
        let _ = wire::write_beat(&mut &self.out);
    }

    /// Says that this was all, and waits for the receiver's verdict.
    pub fn finish(&self, trailer: &Trailer, stop: &Stop) -> Ended {
        if let Err(error) = wire::write_trailer(&mut &self.out, trailer) {
            return self.ended(&error);
        }
        self.end(stop)
    }

    /// Why it could not be sent: the receiver knows it better than the kernel.
    pub fn ended(&self, error: &io::Error) -> Ended {
        let errno = why(error);
        let is_gone = matches!(
            errno,
            Errno::EPIPE
                | Errno::ECONNRESET
                | Errno::ECONNABORTED
                | Errno::ENOTCONN
                | Errno::ETIMEDOUT
                | Errno::EHOSTUNREACH
                | Errno::ENETUNREACH
        );
        if !is_gone {
            return Ended::Broken(errno);
        }
        // The other thread hears of it as well.
        match self.end(&Stop::default()) {
            Ended::Broken(Errno::ECONNRESET) => Ended::Broken(errno),
            ended => ended,
        }
    }

    fn end(&self, stop: &Stop) -> Ended {
        loop {
            match self.wait(stop) {
                Heard::Start(_) => {}
                Heard::End(ended) => return ended,
            }
        }
    }

    fn wait(&self, stop: &Stop) -> Heard {
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(heard) => return heard,
                Err(RecvTimeoutError::Timeout) if !stop.requested() => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Heard::End(Ended::Broken(Errno::EINTR));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Heard::End(Ended::Broken(Errno::EPIPE));
                }
            }
        }
    }
}

/// Listens until the receiver has said all, or is silent for too long. The connection is useless then:
/// a thread that waits for room in it must not wait longer.
fn hear(stream: &TcpStream, silence: Duration, tell: &Sender<Heard>) {
    let ended = listen(stream, silence, tell);
    // In this order: what failed to be sent asks why.
    let _ = tell.send(Heard::End(ended));
    let _ = stream.shutdown(Shutdown::Both);
}

fn listen(stream: &TcpStream, silence: Duration, tell: &Sender<Heard>) -> Ended {
    let never = Stop::default();
    let mut from = match Patient::new(stream, &never, Limit::Silence(silence)) {
        Ok(from) => from,
        Err(error) => return Ended::Broken(why(&error)),
    };
    match wire::read_version(&mut from) {
        Ok(Version::Two) => {}
        Ok(Version::One) => return Ended::Version(1),
        Ok(Version::Later) => return Ended::Version(3),
        Err(error) => {
            return match why(&error) {
                Errno::ECONNRESET | Errno::EPROTO | Errno::EPIPE => Ended::NoAnswer,
                errno => Ended::Broken(errno),
            };
        }
    }
    loop {
        match wire::read_answer(&mut from) {
            Ok(Answer::Beat) => {}
            Ok(Answer::Start(start)) => drop(tell.send(Heard::Start(start))),
            Ok(Answer::Verdict(verdict)) => return Ended::Verdict(verdict),
            Err(error) => return Ended::Broken(why(&error)),
        }
    }
}
