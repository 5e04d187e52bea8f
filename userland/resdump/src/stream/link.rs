// SPDX-License-Identifier: MIT

//! A line of characters to another machine: a console, a serial device, a pair of pipes.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use nix::libc;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::frame::Frame;

/// Longest line that is looked at: more is not a frame, but somebody else's.
const LINE_MAX: u64 = 64 << 10;

/// What takes frames and gives frames.
pub trait Link {
    /// Sends a frame.
    fn send(&mut self, frame: &Frame) -> io::Result<()>;

    /// Waits for a frame: `None` when none came in time, or one that was damaged. `UnexpectedEof`
    /// when nothing can come any more.
    fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>>;
}

/// A link over two open files, of which the first may be a terminal.
pub struct Line {
    out: File,
    lines: Receiver<Vec<u8>>,
    /// The terminal, and how it was.
    before: Option<(OwnedFd, Termios)>,
}

impl Line {
    /// Standard input and output.
    pub fn standard() -> io::Result<Self> {
        let from = io::stdin().as_fd().try_clone_to_owned()?;
        let to = io::stdout().as_fd().try_clone_to_owned()?;
        Self::new(from, to)
    }

    /// A serial device or pseudo terminal. Its speed is left as it is.
    pub fn open(path: &Path) -> io::Result<Self> {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(path)?;
        let from = device.try_clone()?;
        Self::new(from.into(), device.into())
    }

    fn new(from: OwnedFd, to: OwnedFd) -> io::Result<Self> {
        // A terminal would echo, and wait for lines.
        let before = tcgetattr(&from).ok().and_then(|before| {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            tcsetattr(&from, SetArg::TCSADRAIN, &raw).ok()?;
            Some((from.try_clone().ok()?, before))
        });
        let (sender, lines) = channel();
        let mut from = BufReader::new(File::from(from));
        thread::spawn(move || {
            loop {
                let mut line = Vec::new();
                match from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if sender.send(line).is_err() => return,
                    Ok(_) => {}
                }
            }
        });
        Ok(Self {
            out: to.into(),
            lines,
            before,
        })
    }
}

impl Link for Line {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.out.write_all(frame.encode().as_bytes())
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Frame::decode(&line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((terminal, before)) = &self.before {
            // A terminal that has gone away needs nothing back.
            let _ = tcsetattr(terminal, SetArg::TCSADRAIN, before);
        }
    }
}
