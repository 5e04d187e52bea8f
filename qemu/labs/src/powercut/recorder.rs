// SPDX-License-Identifier: MIT
//! Disks that remember what was done to them and when, served to QEMU over NBD.
//!
//! They are in this process, so that killing the emulator takes nothing from the log. Of several
//! requests that wait for an answer any is carried out first, as on a disk that reorders them.
//!
//! QEMU's own `blklogwrites` is not used: it logs a write when it has been carried out, so a write that
//! ends while a flush is under way is taken for durable, and one that is under way when the emulator is
//! killed is not in the log at all.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use fastrand::Rng;
use serde::Serialize;
use tempfile::TempDir;

use super::log::{Log, Tick};
use super::nbd::{self, Command, Request};
use machine::disk::Disk;

/// When the power goes: with the arrival of a request after so many flushes and so many writes and
/// flushes after these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instant {
    /// Flushes.
    pub flushes: usize,
    /// Writes and flushes after those.
    pub requests: usize,
}

impl Instant {
    /// A write or a flush arrives; whether it is the one.
    fn is_now(&mut self, flush: bool) -> bool {
        if self.flushes > 0 {
            self.flushes -= usize::from(flush);
            return false;
        }
        self.requests = self.requests.saturating_sub(1);
        self.requests == 0
    }
}

type Plug = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    log: Log,
    /// What a machine sees.
    live: Vec<Vec<u8>>,
    armed: Option<(Instant, Plug)>,
    cut: bool,
}

/// What waits for an answer; the number of a write or flush in the log.
enum Pending {
    Read { offset: usize, length: usize },
    Write(usize),
    Flush(usize),
}

impl State {
    /// A request has arrived. `None` when there is no power any more.
    fn receive(&mut self, disk: usize, command: Command) -> Option<Pending> {
        if self.cut {
            return None;
        }
        let pending = match command {
            Command::Read { offset, length } => {
                return Some(Pending::Read {
                    offset: offset as usize,
                    length: length as usize,
                });
            }
            Command::Write { offset, data } => {
                Pending::Write(self.log.receive_write(disk, offset as usize, data))
            }
            Command::Flush => Pending::Flush(self.log.receive_flush(disk)),
        };
        let flush = matches!(pending, Pending::Flush(_));
        if let Some((instant, _)) = &mut self.armed
            && instant.is_now(flush)
        {
            self.cut = true;
            if let Some((_, pull)) = self.armed.take() {
                pull();
            }
            return None;
        }
        Some(pending)
    }

    /// Carries a request out and returns what was read.
    fn carry_out(&mut self, disk: usize, pending: Pending) -> Option<Vec<u8>> {
        if self.cut {
            return None;
        }
        let mut read = Vec::new();
        let live = &mut self.live[disk];
        match pending {
            Pending::Read { offset, length } => {
                read.extend_from_slice(live.get(offset..offset + length)?);
            }
            Pending::Write(number) => {
                let write = self.log.answer_write(number);
                live.get_mut(write.offset..write.offset + write.data.len())?
                    .copy_from_slice(&write.data);
            }
            Pending::Flush(number) => self.log.answer_flush(number),
        }
        Some(read)
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    closing: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some disks of one machine.
pub struct Recorder {
    shared: Arc<Shared>,
    sockets: TempDir,
    servers: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Serves a disk for each of `bases`; `seed` decides on the order of what waits.
    pub fn start(bases: Vec<Arc<Vec<u8>>>, seed: u64) -> Result<Self> {
        // Names of sockets must be short, so they are not in the folder of the machine.
        let sockets = TempDir::with_prefix("cut")?;
        let shared = Arc::new(Shared::default());
        let mut state = shared.state();
        state.live = bases.iter().map(|base| base.to_vec()).collect();
        state.log = Log::new(bases);
        let disks = state.live.len();
        drop(state);
        let mut recorder = Self {
            shared,
            sockets,
            servers: Vec::new(),
        };
        for disk in 0..disks {
            let path = recorder.socket(disk);
            let listener = UnixListener::bind(&path)
                .with_context(|| format!("cannot listen on {}", path.display()))?;
            let shared = Arc::clone(&recorder.shared);
            let rng = Rng::with_seed(seed.wrapping_add(disk as u64));
            let server = thread::spawn(move || serve(&listener, &shared, disk, rng));
            recorder.servers.push(server);
        }
        Ok(recorder)
    }

    fn socket(&self, disk: usize) -> PathBuf {
        self.sockets.path().join(format!("disk{disk}"))
    }

    /// The disks, for a machine.
    pub fn disks(&self) -> Vec<Disk> {
        let disk = |disk| Disk {
            path: PathBuf::from(format!("nbd:unix:{}", self.socket(disk).display())),
            offset: 0,
            options: String::new(),
        };
        (0..self.servers.len()).map(disk).collect()
    }

    /// From now on counts up to `instant`, when `pull` pulls the plug. Returns the time.
    pub fn arm(&self, instant: Instant, pull: impl FnOnce() + Send + 'static) -> Tick {
        let mut state = self.shared.state();
        state.armed = Some((instant, Box::new(pull)));
        state.log.now()
    }

    /// Nothing that comes later counts. Whether there was still power.
    pub fn cut(&self) -> bool {
        !std::mem::replace(&mut self.shared.state().cut, true)
    }

    /// Whether there is no power any more.
    pub fn is_cut(&self) -> bool {
        self.shared.state().cut
    }

    /// What was done to the disks; the machine has gone.
    pub fn finish(self) -> Log {
        std::mem::take(&mut self.shared.state().log)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        for disk in 0..self.servers.len() {
            // Wakes it up.
            drop(UnixStream::connect(self.socket(disk)));
        }
        for server in self.servers.drain(..) {
            // It has nothing to say.
            let _ = server.join();
        }
    }
}

/// One client after the other: QEMU also opens a disk when it only writes its device tree.
fn serve(listener: &UnixListener, shared: &Shared, disk: usize, mut rng: Rng) {
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        let served = stream.and_then(|stream| attend(stream, shared, disk, &mut rng));
        if let Err(error) = served
            && !shared.state().cut
        {
            eprintln!("disk {disk}: {error}");
        }
    }
}

/// Serves a client until it goes, or the power does.
fn attend(mut stream: UnixStream, shared: &Shared, disk: usize, rng: &mut Rng) -> io::Result<()> {
    let size = shared.state().live[disk].len() as u64;
    if !nbd::handshake(&mut stream, size)? {
        return Ok(());
    }
    let reader = stream.try_clone()?;
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let received = scope.spawn(|| receive(reader, shared, disk, sender));
        let answered = answer(stream, shared, disk, receiver, rng);
        let received = received.join().unwrap_or(Ok(()));
        answered.and(received)
    })
}

/// Takes requests off the wire as they come, so that the log knows which were waiting together.
fn receive(
    stream: UnixStream,
    shared: &Shared,
    disk: usize,
    waiting: Sender<(u64, Pending)>,
) -> io::Result<()> {
    let mut stream = io::BufReader::new(stream);
    while let Some(Request { handle, command }) = nbd::read_request(&mut stream)? {
        let Some(pending) = shared.state().receive(disk, command) else {
            break;
        };
        if waiting.send((handle, pending)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Answers whichever request chance picks.
fn answer(
    mut stream: UnixStream,
    shared: &Shared,
    disk: usize,
    arrived: Receiver<(u64, Pending)>,
    rng: &mut Rng,
) -> io::Result<()> {
    let mut waiting = Vec::new();
    loop {
        if waiting.is_empty() {
            match arrived.recv() {
                Ok(request) => waiting.push(request),
                Err(_) => return Ok(()),
            }
        }
        waiting.extend(arrived.try_iter());
        let (handle, pending) = waiting.swap_remove(rng.usize(..waiting.len()));
        let carried_out = shared.state().carry_out(disk, pending);
        match carried_out {
            Some(read) => nbd::reply(&mut stream, handle, &read)?,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_that_of_a_request() {
        let play = |flushes, requests, events: &[bool]| {
            let mut instant = Instant { flushes, requests };
            events.iter().position(|&flush| instant.is_now(flush))
        };
        assert_eq!(play(0, 2, &[false, true, false]), Some(1));
        assert_eq!(play(1, 1, &[false, true, false]), Some(2));
        assert_eq!(play(2, 0, &[true, true, true]), Some(2));
        assert_eq!(play(2, 1, &[true, false, false]), None);
    }

    fn write(state: &mut State, offset: u64) -> Option<Pending> {
        let data = vec![7; 512];
        state.receive(0, Command::Write { offset, data })
    }

    #[test]
    fn the_request_with_which_the_power_goes_is_in_the_log_and_not_answered() {
        let mut state = State {
            log: Log::new(vec![Arc::new(vec![0; 1024])]),
            live: vec![vec![0; 1024]],
            ..State::default()
        };
        let (pulled, seen) = mpsc::channel();
        let instant = Instant {
            flushes: 0,
            requests: 2,
        };
        state.armed = Some((instant, Box::new(move || pulled.send(()).unwrap())));
        let first = write(&mut state, 0).unwrap();
        assert!(state.carry_out(0, first).is_some());
        assert!(seen.try_recv().is_err());
        assert!(write(&mut state, 512).is_none());
        assert!(seen.try_recv().is_ok());
        assert_eq!(state.log.remains(state.log.now()).open.len(), 2);
        assert!(write(&mut state, 0).is_none(), "there is no power");
        assert_eq!(state.log.writes(), 2);
        assert_eq!((state.live[0][0], state.live[0][512]), (7, 0));
    }
}
