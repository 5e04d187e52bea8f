// SPDX-License-Identifier: MIT

//! The other end of `resdump dump REGION tcp:HOST:PORT`.

use std::{
    io::{self, BufReader},
    net::TcpStream,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use super::{
    Job, Received, Target, names,
    prepared::Prepared,
    store::{Store, Stored},
};
use crate::{
    address::Address,
    advice::Doing,
    console::{self, Console},
    error::{Error, Result},
    exit_codes::ExitCode,
    progress::Progress,
    signals::Stop,
    stream::{
        messages::{Header, Start, Verdict},
        server::{Caller, Event, Server, Talk},
        socket::{Limit, Patient, why},
        wire::{self, Version},
    },
};

/// Dumps that are taken at once.
const AT_ONCE: usize = 8;

/// Runs it, waiting at `address`.
pub(super) fn run(job: &Job, address: &Address, console: &Console) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    // Before anything can come.
    let mut prepared = match &job.target {
        Target::File(path) => Some(Prepared::open(path, &job.policy)?),
        Target::Folder(_) => None,
    };
    let failed = |error: io::Error| {
        let errno = error.raw_os_error().map(Errno::from_raw);
        Error::during(
            Doing::Listen,
            "cannot listen",
            job.name(),
            errno.unwrap_or(Errno::EADDRNOTAVAIL),
        )
    };
    let mut server = Server::listen(address, job.silence).map_err(failed)?;
    let address = server.address().map_err(failed)?;
    // Another program that waits for this line can connect.
    console::say(format_args!("listening on {address}"));

    let (mut running, mut taken, mut enough) = (0, 0, false);
    loop {
        let end = match running {
            0 => job.wait.map(|wait| Instant::now() + wait),
            _ => None,
        };
        let event = match server.next(end, &stop) {
            Ok(Some(event)) => event,
            Ok(None) => return Err(nothing_came(job, taken, Errno::ETIMEDOUT)),
            // What runs hears of the signal as well.
            Err(_) if stop.requested() && running > 0 => {
                match server.next(None, &Stop::default()) {
                    Ok(Some(event)) => event,
                    _ => return Err(nothing_came(job, taken, Errno::EINTR)),
                }
            }
            Err(_) if stop.requested() => return Err(nothing_came(job, taken, Errno::EINTR)),
            Err(error) => return Err(failed(error)),
        };
        let stored = match event {
            Event::Caller(caller) => {
                let turn = match &job.target {
                    _ if stop.requested() || enough || running >= AT_ONCE => None,
                    Target::File(_) => prepared.take().map(Ok),
                    Target::Folder(folder) => {
                        let label = &caller.header.manifest.origin.region;
                        let path = names::free(folder, label);
                        Some(Prepared::open(&path, &job.policy))
                    }
                };
                let Some(turn) = turn else {
                    // In a thread of its own: it waits until that was read.
                    let busy = busy(job);
                    std::thread::spawn(move || refuse(&caller, &busy));
                    continue;
                };
                running += 1;
                let (stop, silence, show) = (stop.clone(), job.silence, job.shows(console));
                server.start(move || take(&caller, turn, silence, &stop, show));
                continue;
            }
            Event::Done(stored) => stored,
        };
        running -= 1;
        let code = tell(stored, job, console)?;
        taken += u64::from(code == ExitCode::Ok);
        match job.keep {
            None => return Ok(code),
            // Those that have begun come to their end.
            Some(keep) => enough |= keep.count == Some(taken),
        }
        match (running, enough) {
            (0, true) => return Ok(ExitCode::Ok),
            (0, false) if stop.requested() => {
                return Err(nothing_came(job, taken, Errno::EINTR));
            }
            _ => {}
        }
    }
}

fn tell(stored: Result<Stored>, job: &Job, console: &Console) -> Result<ExitCode> {
    match stored {
        Ok(stored) => Received::of(&stored).tell(job, &console.another(), stored.error.as_ref()),
        Err(error) if job.keep.is_some() => Ok(console.another().failure(&error)),
        Err(error) => Err(error),
    }
}

/// One dump, from its header to the verdict.
fn take(
    caller: &Caller,
    prepared: Result<Prepared>,
    silence: Duration,
    stop: &Stop,
    show: bool,
) -> Result<Stored> {
    let talk = Talk::begin(&caller.stream, caller.version);
    let store = prepared.and_then(|prepared| prepared.begin(&caller.header, stop));
    let mut store = match store {
        Ok(store) => store,
        Err(error) => {
            if let Ok(talk) = talk {
                talk.verdict(&Verdict::of(0, Some(&error)));
            }
            return Err(error);
        }
    };
    let talk = match talk {
        Ok(talk) => talk,
        Err(error) => {
            let error = store.short(why(&error));
            return Ok(store.finish(Some(error)));
        }
    };
    let error = receive(&mut store, caller, &talk, silence, stop, show).err();
    let stored = store.finish(error);
    talk.verdict(&stored.verdict());
    Ok(stored)
}

/// Everything between the header and the verdict.
fn receive(
    store: &mut Store,
    caller: &Caller,
    talk: &Talk,
    silence: Duration,
    stop: &Stop,
    show: bool,
) -> Result<()> {
    let header = &caller.header;
    let short = |store: &Store, error: &io::Error| store.short(why(error));
    let start = Start::of(header, store.bytes(), store.check());
    if caller.version == Version::One {
        if start.bytes > 0 {
            return Err(no_resume(&caller.stream, header));
        }
        log::warn!("the sender is of an older version: it does not hear whether this worked");
    }
    talk.start(&start).map_err(|error| short(store, &error))?;
    let limit = match caller.version {
        // Gives no sign of life while it computes; the kernel looks after the connection.
        Version::One => Duration::from_secs(24 * 60 * 60),
        _ => silence,
    };
    let mut from = Patient::new(&caller.stream, stop, Limit::Silence(limit))
        .map(BufReader::new)
        .map_err(|error| short(store, &error))?;
    let mut progress = Progress::new(store.origin().length, show);
    let trailer = loop {
        let event = wire::read_event(&mut from, caller.version, header.compression)
            .map_err(|error| short(store, &error))?;
        match event {
            wire::Event::Block(block) => store.write(&block)?,
            wire::Event::Beat => {}
            wire::Event::End(trailer) => break trailer,
        }
        progress.at(store.bytes());
    };
    drop(progress);
    store.expect(&trailer, false, stop)
}

fn no_resume(stream: &TcpStream, header: &Header) -> Error {
    let peer = stream.peer_addr();
    Error::new(
        ExitCode::Incomplete,
        "cannot resume",
        peer.map_or_else(|_| "the sender".into(), |peer| peer.to_string()),
        Errno::EPROTO,
        format!(
            "resdump {} there cannot: receive all with --force",
            header.manifest.tool
        ),
    )
}

fn refuse(caller: &Caller, error: &Error) {
    log::warn!("{}: refused: {error}", caller.peer);
    if let Ok(talk) = Talk::begin(&caller.stream, caller.version) {
        talk.verdict(&Verdict::of(0, Some(error)));
    }
}

fn busy(job: &Job) -> Error {
    Error::new(
        ExitCode::Target,
        "receiver is busy",
        job.name(),
        Errno::EBUSY,
        "another dump comes there: wait for its end, or listen at another port",
    )
}

fn nothing_came(job: &Job, taken: u64, errno: Errno) -> Error {
    let (code, reason) = match errno {
        Errno::EINTR => (ExitCode::Interrupted, "stopped by a signal"),
        _ => (
            ExitCode::Incomplete,
            "no sender has come: --timeout waits longer",
        ),
    };
    let advice = match job.keep {
        Some(_) => format!("{reason}; {taken} dumps are here"),
        None => format!("{reason}; nothing is here"),
    };
    Error::new(code, "nothing received", job.name(), errno, advice)
}
