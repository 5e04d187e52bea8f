// SPDX-License-Identifier: MIT

//! A line of characters to another machine: a console, a serial device, a pair of pipes, a console
//! server.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    sys::termios::{
        ControlFlags, FlushArg, SetArg, Termios, cfmakeraw, tcdrain, tcflush, tcgetattr, tcsetattr,
    },
};

use super::{frame::Frame, socket, telnet::Telnet};
use crate::{
    address::Address,
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals::{self, AtOnce},
    sys, text,
};

/// Longest line that is looked at: more is not a frame.
const LINE_MAX: usize = 64 << 10;

/// For the last words to leave.
const DRAIN: Duration = Duration::from_secs(5);

/// What takes frames and gives frames.
pub trait Link {
    /// Sends a frame; it may wait its turn.
    fn send(&mut self, frame: &Frame) -> io::Result<()>;

    /// Waits for a frame: `None` when none came in time, or one that was damaged. `UnexpectedEof`
    /// when nothing can come any more.
    fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>>;

    /// Bytes that have come, whatever they are.
    fn heard(&self) -> u64 {
        0
    }
}

/// A link over two open files, of which the first may be a terminal.
pub struct Line {
    /// `None` when it is closed.
    out: Option<Sender<Vec<u8>>>,
    /// Gives nothing; ends when everything has left, or cannot.
    left: Receiver<()>,
    to: OwnedFd,
    lines: Receiver<Heard>,
    bytes: Arc<AtomicUsize>,
    warned: bool,
    /// The terminal, and how it was.
    before: Option<(Arc<OwnedFd>, Termios, AtOnce)>,
}

struct Heard {
    line: Vec<u8>,
    /// Some byte had its eighth bit set.
    high: bool,
}

impl Line {
    /// Standard input and output.
    pub fn standard() -> Result<Self> {
        let open = || {
            sys::standard::output()?;
            let from = io::stdin().as_fd().try_clone_to_owned()?;
            let to = io::stdout().as_fd().try_clone_to_owned()?;
            Self::new(from, to, false, None)
        };
        open().map_err(|error| cannot_open(STANDARD, errno_of(&error)))
    }

    /// A serial device or pseudo terminal, whose speed is left as it is, or `tcp://HOST:PORT`: a console
    /// server, taken for dead after `silence`. `ENOTTY` for a file, a folder or a disk; `EBUSY` when
    /// another `resdump` has it.
    pub fn named(name: &OsStr, silence: Duration) -> Result<Self> {
        let server = match name.to_str() {
            Some(text) => Address::of_line(text)?,
            None => None,
        };
        let line = match server {
            Some(address) => Self::connect(&address, silence),
            None => Self::open(Path::new(name)),
        };
        line.map_err(|error| cannot_open(&text::name(name), errno_of(&error)))
    }

    fn connect(address: &Address, silence: Duration) -> io::Result<Self> {
        // A name that cannot be looked up has no errno.
        let stream =
            socket::connect(address, silence).map_err(|error| match error.raw_os_error() {
                Some(_) => error,
                None => Errno::EADDRNOTAVAIL.into(),
            })?;
        stream.set_nodelay(true)?;
        let answers = OwnedFd::from(stream.try_clone()?).into();
        let from = stream.try_clone()?.into();
        Self::new(from, stream.into(), false, Some(Telnet::new(answers)))
    }

    fn open(path: &Path) -> io::Result<Self> {
        // Without this flag some devices wait for a modem's carrier.
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path)?;
        let kind = device.metadata()?.file_type();
        if !kind.is_char_device() && !kind.is_fifo() {
            return Err(Errno::ENOTTY.into());
        }
        if let Err(std::fs::TryLockError::WouldBlock) = device.try_lock() {
            return Err(Errno::EBUSY.into());
        }
        let flags = OFlag::from_bits_retain(fcntl(&device, FcntlArg::F_GETFL)?);
        fcntl(
            &device,
            FcntlArg::F_SETFL(flags.difference(OFlag::O_NONBLOCK)),
        )?;
        let from = device.try_clone()?;
        Self::new(from.into(), device.into(), true, None)
    }

    fn new(
        from: OwnedFd,
        to: OwnedFd,
        local: bool,
        telnet: Option<Telnet<File>>,
    ) -> io::Result<Self> {
        // A terminal would echo, and wait for lines.
        let before = make_raw(&from, local)?;
        let (sender, lines) = channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let (out, queue) = channel();
        let (leaving, left) = channel();
        let file = File::from(to.try_clone()?);
        let count = Arc::clone(&bytes);
        // A signal is for the thread that waits.
        signals::blocked(|| {
            thread::spawn(move || read(from.into(), telnet, &sender, &count));
            thread::spawn(move || write(file, &queue, leaving));
        });
        Ok(Self {
            out: Some(out),
            left,
            to,
            lines,
            bytes,
            warned: false,
            before,
        })
    }
}

/// Standard input and output, as messages name them.
pub const STANDARD: &str = "standard input and output";

fn cannot_open(name: &str, errno: Errno) -> Error {
    let advice = match errno {
        Errno::ENOTTY => {
            "it is no serial device: give one, such as /dev/ttyUSB0, or tcp://HOST:PORT"
        }
        Errno::EBADF => "standard input and output are the line, and closed: open them",
        _ => return Error::during(Doing::OpenLine, "cannot open", name, errno),
    };
    Error::new(ExitCode::Target, "cannot open", name, errno, advice)
}

/// Cuts what comes into lines. A carriage return ends one as well: some lines make one of a new line.
/// Frames are ASCII without control characters, so what flow control and parity have added is left out.
fn read(
    mut from: File,
    mut telnet: Option<Telnet<File>>,
    lines: &Sender<Heard>,
    count: &AtomicUsize,
) {
    let mut buffer = [0; 4096];
    let (mut line, mut high) = (Vec::new(), false);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = match &mut telnet {
            Some(telnet) => telnet.data(&buffer[..length]),
            None => &buffer[..length],
        };
        count.fetch_add(bytes.len(), Ordering::Relaxed);
        for byte in bytes {
            high |= *byte > 0x7f;
            match byte & 0x7f {
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut line);
                    let high = std::mem::take(&mut high);
                    if !line.is_empty() && lines.send(Heard { line, high }).is_err() {
                        return;
                    }
                }
                byte @ b' '..=b'~' if line.len() < LINE_MAX => line.push(byte),
                _ => {}
            }
        }
    }
}

/// Writes what is queued; a line that takes nothing keeps this thread, and no other.
fn write(mut to: File, queue: &Receiver<Vec<u8>>, _leaving: Sender<()>) {
    while let Ok(line) = queue.recv() {
        if to.write_all(&line).is_err() {
            return;
        }
    }
    // Of a pipe there is nothing to wait for.
    let _ = tcdrain(&to);
}

impl Link for Line {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let line = frame.encode().into_bytes();
        match &self.out {
            Some(out) => out.send(line).map_err(|_| Errno::EPIPE.into()),
            None => Err(Errno::EPIPE.into()),
        }
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>> {
        match self.lines.recv_timeout(patience) {
            Ok(heard) => {
                let frame = Frame::decode(&heard.line);
                if heard.high && frame.is_some() && !self.warned {
                    self.warned = true;
                    log::warn!(
                        "the line sets the eighth bit: one end has 7 bits or parity; \
                         it works nevertheless ('stty cs8 -parenb' there corrects it)"
                    );
                }
                Ok(frame)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn heard(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) as u64
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.out = None;
        if self.left.recv_timeout(DRAIN) == Err(RecvTimeoutError::Timeout) {
            // What cannot leave must not be waited for.
            let _ = tcflush(&self.to, FlushArg::TCOFLUSH);
        }
        if let Some((terminal, before, _)) = &self.before {
            put_right(terminal, before);
        }
    }
}

/// Has a terminal pass on every byte: no echo, no lines, no signals by keys. A `local` one has no modem that
/// could hang up. It is restored also when the program ends at once.
fn make_raw(
    terminal: &OwnedFd,
    local: bool,
) -> io::Result<Option<(Arc<OwnedFd>, Termios, AtOnce)>> {
    let before = match tcgetattr(terminal) {
        Ok(before) => before,
        // What is no terminal needs nothing.
        Err(_) => return Ok(None),
    };
    let mut raw = before.clone();
    cfmakeraw(&mut raw);
    if local {
        raw.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
    }
    let terminal = Arc::new(terminal.try_clone()?);
    let at_once = {
        // Settings of a terminal are not `Sync`; the bits are.
        let (terminal, before) = (Arc::clone(&terminal), libc::termios::from(before.clone()));
        signals::at_once(move || put_right(&terminal, &before.into()))
    };
    tcsetattr(&*terminal, SetArg::TCSANOW, &raw)?;
    Ok(Some((terminal, before, at_once)))
}

fn put_right(terminal: &OwnedFd, before: &Termios) {
    // A terminal that has gone away needs nothing back.
    let _ = tcsetattr(terminal, SetArg::TCSANOW, before);
}
