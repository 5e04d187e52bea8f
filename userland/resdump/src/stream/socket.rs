// SPDX-License-Identifier: MIT

//! A connection whose other end may die without closing it.

use std::{
    io::{self, Read},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
};

use crate::{address::Address, signals::Stop};

/// An end gives a sign of life as often as that.
pub const BEAT: Duration = Duration::from_secs(1);

/// An end takes the other for dead after so long a silence, unless a person wants it otherwise.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether the end was asked for.
pub const LOOK: Duration = Duration::from_millis(250);

/// For one address of a host that does not answer.
const CONNECT: Duration = Duration::from_secs(20);

/// Connects to the first address of a host that answers. The kernel takes it for dead after `silence`.
pub fn connect(address: &Address, silence: Duration) -> io::Result<TcpStream> {
    let host = address.host.as_deref().unwrap_or("localhost");
    let mut failed = io::Error::from(Errno::EADDRNOTAVAIL);
    for address in (host, address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                keep_alive(&stream, silence);
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    // The standard library's own time limit has no errno.
    Err(match failed.kind() {
        io::ErrorKind::TimedOut => Errno::ETIMEDOUT.into(),
        _ => failed,
    })
}

/// Lets the kernel notice that the other end is gone, within about `silence`, also while nothing is
/// sent, and while what was sent is not acknowledged.
pub fn keep_alive(stream: &TcpStream, silence: Duration) {
    const PROBES: u32 = 4;
    let seconds = u32::try_from(silence.as_secs()).unwrap_or(u32::MAX);
    let part = (seconds / (PROBES + 1)).clamp(1, 30_000);
    let millis = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    let set = setsockopt(stream, sockopt::KeepAlive, &true)
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepIdle, &part))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepInterval, &part))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepCount, &PROBES))
        .and_then(|()| setsockopt(stream, sockopt::TcpUserTimeout, &millis));
    if let Err(errno) = set {
        log::info!("no keepalive: {errno}");
    }
}

/// Why nothing more comes, or goes: also where the standard library has no errno for it.
pub fn why(error: &io::Error) -> Errno {
    match (error.raw_os_error().map(Errno::from_raw), error.kind()) {
        (Some(Errno::ECANCELED), _) => Errno::EINTR,
        (Some(errno), _) => errno,
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero) => Errno::ECONNRESET,
        (None, io::ErrorKind::InvalidData | io::ErrorKind::Other) => Errno::EPROTO,
        (None, io::ErrorKind::TimedOut) => Errno::ETIMEDOUT,
        (None, _) => Errno::EIO,
    }
}

/// Reads from a connection, as long as the other end is not silent for too long, and nothing asks for
/// the end.
pub struct Patient<'a> {
    stream: &'a TcpStream,
    stop: &'a Stop,
    limit: Limit,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// For the next byte.
    Silence(Duration),
    /// Until then for everything.
    Until(Instant),
}

impl<'a> Patient<'a> {
    /// Of `stream`.
    pub fn new(stream: &'a TcpStream, stop: &'a Stop, limit: Limit) -> io::Result<Self> {
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self {
            stream,
            stop,
            limit,
        })
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = match self.limit {
            Limit::Silence(silence) => Instant::now() + silence,
            Limit::Until(end) => end,
        };
        loop {
            if self.stop.requested() {
                // Not `EINTR`, after which `read_exact` tries again.
                return Err(Errno::ECANCELED.into());
            }
            match self.stream.read(buffer) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                done => return done,
            }
            if Instant::now() >= end {
                return Err(Errno::ETIMEDOUT.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn silence_and_a_request_end_the_wait_and_a_byte_does_not() {
        let (mut one, other) = pair();
        let stop = Stop::default();
        let limit = Limit::Silence(Duration::from_millis(1));
        let mut patient = Patient::new(&other, &stop, limit).unwrap();
        let errno = |error: io::Error| error.raw_os_error().map(Errno::from_raw);
        assert_eq!(
            patient.read(&mut [0]).map_err(errno),
            Err(Some(Errno::ETIMEDOUT))
        );
        one.write_all(b"a").unwrap();
        assert_eq!(patient.read(&mut [0; 2]).unwrap(), 1);
        stop.request();
        one.write_all(b"a").unwrap();
        let error = patient.read_exact(&mut [0]).unwrap_err();
        assert_eq!(why(&error), Errno::EINTR);
    }

    #[test]
    fn the_kernel_looks_after_a_connection() {
        use nix::sys::socket::getsockopt;
        let (one, _other) = pair();
        keep_alive(&one, SILENCE);
        assert!(getsockopt(&one, sockopt::KeepAlive).unwrap());
        assert_eq!(getsockopt(&one, sockopt::TcpUserTimeout).unwrap(), 60_000);
    }
}
