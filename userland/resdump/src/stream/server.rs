// SPDX-License-Identifier: MIT

//! The receiver's side of connections: several at once, strangers among them. Each says in a thread of
//! its own what comes, so that one that says nothing does not keep another out.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    socket::{BEAT, LOOK, Limit, Patient, keep_alive, why},
    wire::{self, Header, Start, Verdict, Version},
};
use crate::{
    address::Address,
    signals::{self, Stop},
    text,
};

/// For a connection to say what comes.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// Connections that have not said yet what comes; more are closed at once.
const STRANGERS: usize = 32;

/// For the sender to read the verdict.
const FAREWELL: Duration = Duration::from_secs(5);

/// A sender that has said what comes.
pub struct Caller {
    /// The connection.
    pub stream: TcpStream,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// What it speaks.
    pub version: Version,
    /// What comes.
    pub header: Header,
}

/// What a server has to look after.
pub enum Event<T> {
    /// A sender has said what comes.
    Caller(Box<Caller>),
    /// Work came to its end.
    Done(T),
}

/// Listens, and knows of all that was begun.
pub struct Server<T> {
    sockets: Vec<TcpListener>,
    silence: Duration,
    events: Receiver<Event<T>>,
    tell: Sender<Event<T>>,
    wake: (PipeReader, Arc<PipeWriter>),
    strangers: Arc<AtomicUsize>,
}

impl<T: Send + 'static> Server<T> {
    /// Listens at `address`; without a host at all of this machine. A dead sender is noticed after
    /// `silence`.
    pub fn listen(address: &Address, silence: Duration) -> io::Result<Self> {
        let sockets = match &address.host {
            Some(host) => vec![TcpListener::bind((host.as_str(), address.port))?],
            None => everywhere(address.port)?,
        };
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let (tell, events) = channel();
        let (awake, wake) = io::pipe()?;
        Ok(Self {
            sockets,
            silence,
            events,
            tell,
            wake: (awake, Arc::new(wake)),
            strangers: Arc::default(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.sockets
            .first()
            .ok_or(io::ErrorKind::NotConnected)?
            .local_addr()
    }

    /// Does `work` in a thread; its end is an event.
    pub fn start(&self, work: impl FnOnce() -> T + Send + 'static) {
        let (tell, wake) = (self.tell.clone(), Arc::clone(&self.wake.1));
        signals::blocked(|| {
            thread::spawn(move || {
                notify(&tell, &wake, Event::Done(work()));
            })
        });
    }

    /// Waits for an event, until `end`, or until a signal asks for it (`EINTR`).
    pub fn next(&mut self, end: Option<Instant>, stop: &Stop) -> io::Result<Option<Event<T>>> {
        loop {
            if let Ok(event) = self.events.try_recv() {
                return Ok(Some(event));
            }
            if stop.requested() {
                return Err(Errno::EINTR.into());
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            self.poll(left.unwrap_or(LOOK).min(LOOK))?;
        }
    }

    fn poll(&mut self, wait: Duration) -> io::Result<()> {
        let ready: Vec<bool> = {
            let mut all: Vec<_> = self
                .sockets
                .iter()
                .map(AsFd::as_fd)
                .chain([self.wake.0.as_fd()])
                .map(|file| PollFd::new(file, PollFlags::POLLIN))
                .collect();
            let wait = PollTimeout::try_from(wait + Duration::from_millis(1));
            match poll(&mut all, wait.unwrap_or(PollTimeout::MAX)) {
                Ok(_) => {}
                Err(Errno::EINTR) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
            all.iter().map(|it| it.any().unwrap_or(false)).collect()
        };
        if ready.last() == Some(&true) {
            self.wake.0.read_exact(&mut [0])?;
        }
        for (socket, ready) in self.sockets.iter().zip(ready) {
            if ready {
                self.accept(socket);
            }
        }
        Ok(())
    }

    /// Lets a connection say in a thread what comes.
    fn accept(&self, socket: &TcpListener) {
        let (stream, peer) = match socket.accept() {
            Ok(accepted) => accepted,
            // Of a connection that is gone already, or for lack of descriptors.
            Err(error) => return log::info!("no connection: {error}"),
        };
        if self.strangers.fetch_add(1, Ordering::Relaxed) >= STRANGERS {
            self.strangers.fetch_sub(1, Ordering::Relaxed);
            return log::warn!("{peer}: closed: too many connections have said nothing yet");
        }
        log::info!("connection from {peer}");
        keep_alive(&stream, self.silence);
        let (tell, wake) = (self.tell.clone(), Arc::clone(&self.wake.1));
        let strangers = Arc::clone(&self.strangers);
        signals::blocked(|| {
            thread::spawn(move || {
                let introduced = introduce(stream, peer);
                strangers.fetch_sub(1, Ordering::Relaxed);
                match introduced {
                    Ok(caller) => notify(&tell, &wake, Event::Caller(Box::new(caller))),
                    Err(error) => log::warn!(
                        "{peer}: not a stream of resdump: {:?}: still listening",
                        why(&error)
                    ),
                }
            })
        });
    }
}

fn notify<T>(tell: &Sender<Event<T>>, mut wake: &PipeWriter, event: Event<T>) {
    // A server that is gone needs nothing.
    let _ = tell.send(event);
    let _ = wake.write_all(&[0]);
}

/// At `port` of all addresses, of both families where the machine has both.
fn everywhere(port: u16) -> io::Result<Vec<TcpListener>> {
    let Ok(both) = TcpListener::bind(("::", port)) else {
        return Ok(vec![TcpListener::bind(("0.0.0.0", port))?]);
    };
    let port = both.local_addr()?.port();
    // Refused where the first takes both families.
    let old = TcpListener::bind(("0.0.0.0", port)).ok();
    Ok([Some(both), old].into_iter().flatten().collect())
}

fn introduce(stream: TcpStream, peer: SocketAddr) -> io::Result<Caller> {
    stream.set_nonblocking(false)?;
    let end = Instant::now() + INTRODUCTION;
    let never = Stop::default();
    let mut from = Patient::new(&stream, &never, Limit::Until(end))?;
    let version = wire::read_version(&mut from)?;
    if version == Version::Later {
        let verdict = Verdict {
            bytes: 0,
            in_memory: false,
            error: Some(wire::Failure {
                status: crate::exit_codes::ExitCode::Io as u8,
                errno: "EPROTONOSUPPORT".into(),
                message: "this receiver knows version 2 of the stream only".into(),
            }),
        };
        Talk::begin(&stream, version)?.verdict(&verdict);
    }
    let header = wire::read_header(&mut from, version)?;
    Ok(Caller {
        stream,
        peer,
        version,
        header,
    })
}

/// What the receiver says on one connection, signs of life in between.
pub struct Talk {
    out: Arc<Mutex<TcpStream>>,
    version: Version,
    /// Dropped, it ends the signs of life.
    _quiet: Sender<()>,
}

impl Talk {
    /// Identifies the receiver, and from now on that it is there.
    pub fn begin(stream: &TcpStream, version: Version) -> io::Result<Self> {
        let out = stream.try_clone()?;
        out.set_write_timeout(Some(INTRODUCTION))?;
        let (quiet, until) = channel();
        let out = Arc::new(Mutex::new(out));
        if version != Version::One {
            wire::write_magic(&mut *lock(&out))?;
            let out = Arc::clone(&out);
            signals::blocked(|| {
                thread::spawn(move || {
                    while until.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                        if wire::write_beat(&mut *lock(&out)).is_err() {
                            return;
                        }
                    }
                })
            });
        }
        Ok(Self {
            out,
            version,
            _quiet: quiet,
        })
    }

    /// Lets the sender begin.
    pub fn start(&self, start: &Start) -> io::Result<()> {
        match self.version {
            Version::One => Ok(()),
            _ => wire::write_start(&mut *lock(&self.out), start),
        }
    }

    /// The last word. What the sender sends nevertheless is read, because the kernel throws away what
    /// was said on a connection that is closed with something unread.
    pub fn verdict(self, verdict: &Verdict) {
        let mut stream = lock(&self.out);
        if self.version == Version::One {
            return;
        }
        let said = wire::write_verdict(&mut *stream, verdict)
            .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
            .and_then(|()| {
                let (never, end) = (Stop::default(), Instant::now() + FAREWELL);
                let mut rest = Patient::new(&stream, &never, Limit::Until(end))?;
                io::copy(&mut rest, &mut io::sink()).map(drop)
            });
        if let Err(error) = said {
            log::info!(
                "the sender may not know: {}",
                text::printable(&error.to_string())
            );
        }
    }
}

fn lock(out: &Mutex<TcpStream>) -> std::sync::MutexGuard<'_, TcpStream> {
    out.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
