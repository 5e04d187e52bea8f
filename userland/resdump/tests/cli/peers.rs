// SPDX-License-Identifier: MIT

//! The two ends of a connection: the program, and what a test plays.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use resdump::{
    codec::{digest::Algorithm, format::Format},
    manifest::{self, Origin},
    stream::{
        messages::{Header, Trailer, Verdict},
        wire::{self, Answer, Version},
    },
};

use crate::bench::{Bench, command};

/// For what must come in any case.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A `resdump receive` that listens.
pub(crate) struct Receiver {
    pub(crate) child: Child,
    pub(crate) address: String,
    said: mpsc::Receiver<String>,
    all: String,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Nothing to do about an error: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Receiver {
    /// On a port of its own choice, into `./out`.
    pub(crate) fn start(bench: &Bench, args: &[&str]) -> Self {
        Self::into(bench, "./out", args)
    }

    pub(crate) fn into(bench: &Bench, file: &str, args: &[&str]) -> Self {
        let receive = ["receive", "tcp:127.0.0.1:0", file];
        Self::run(command(bench.folder.path(), &[&receive, args].concat()))
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let from = BufReader::new(child.stderr.take().unwrap());
        let (tell, said) = mpsc::channel();
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut receiver = Self {
            child,
            address: String::new(),
            said,
            all: String::new(),
        };
        let line = receiver.hears("listening on ");
        receiver.address = line.rsplit(' ').next().unwrap().to_string();
        receiver
    }

    /// Waits for a line of standard error with `word` in it.
    pub(crate) fn hears(&mut self, word: &str) -> String {
        loop {
            let line = self
                .said
                .recv_timeout(LIMIT)
                .unwrap_or_else(|_| panic!("no {word:?} in {:?}", self.all));
            self.all += &line;
            self.all.push('\n');
            if line.contains(word) {
                return line;
            }
        }
    }

    pub(crate) fn target(&self) -> String {
        format!("tcp:{}", self.address)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Its status, standard output and standard error, when it ends by itself.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let status = self.child.wait().unwrap().code().unwrap();
        for line in self.said.iter() {
            self.all += &line;
            self.all.push('\n');
        }
        (status, out, std::mem::take(&mut self.all))
    }
}

/// Runs `dump ./saved tcp:…`.
pub(crate) fn send(bench: &Bench, receiver: &Receiver, args: &[&str]) -> Output {
    let target = receiver.target();
    bench.run(&[&["dump", "./saved", &target], args].concat())
}

/// What a sender of `length` bytes says at first.
pub(crate) fn header(region: &str, length: u64) -> Header {
    let origin = Origin {
        region: region.into(),
        base: None,
        offset: 0,
        length,
    };
    Header {
        manifest: manifest::begin(origin, Format::Raw, 0, 0),
        compression: None,
        digest: Some(Algorithm::Crc32c),
        version: 2,
        session: 5,
    }
}

/// What a sender says in the end.
pub(crate) fn trailer(bytes: &[u8]) -> Trailer {
    let mut hasher = resdump::codec::digest::Hasher::new(Algorithm::Crc32c);
    hasher.update(bytes);
    Trailer {
        bytes: bytes.len() as u64,
        digest: Some(hasher.finish()),
        error: None,
    }
}

pub(crate) fn block(stream: &mut TcpStream, bytes: &[u8]) {
    wire::write_block(stream, bytes.len() as u32, bytes.len() as u32).unwrap();
    stream.write_all(bytes).unwrap();
}

/// Closes a connection so that what was sent arrives: with something unread the kernel throws it away.
pub(crate) fn hang_up(mut stream: TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

/// What the receiver says in the end.
pub(crate) fn verdict(mut stream: TcpStream) -> Verdict {
    assert_eq!(wire::read_version(&mut stream).unwrap(), Version::Two);
    loop {
        if let Answer::Verdict(verdict) = wire::read_answer(&mut stream).unwrap() {
            return verdict;
        }
    }
}

/// Plays a receiver of one connection; its address.
pub(crate) fn play(receiver: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || receiver(listener.accept().unwrap().0));
    format!("tcp:{address}")
}
