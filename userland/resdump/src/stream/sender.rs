// SPDX-License-Identifier: MIT

//! Sends bytes of a source to a pipe, a socket or a file, without a copy where pages can go by
//! themselves.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileTypeExt,
};

use nix::errno::Errno;
use resmem::Mapping;

use crate::{
    codec::compression::Compression, error::errno_of, signals::Stop, source::Source, span::Span,
    sys::splice,
};

/// Bytes at a time. A pipe holds less, a decoder more.
pub const BLOCK: u32 = 1 << 20;

/// Sends bytes of `source` to `out`.
pub struct Sender<'a> {
    source: &'a dyn Source,
    out: &'a File,
    stop: &'a Stop,
    /// The way without a copy, while it works.
    way: Way,
    /// Bytes whose pages went by themselves.
    pub direct: u64,
    /// Bytes that the CPU copied.
    pub copied: u64,
    /// What was compressed came to so many bytes.
    pub stored: u64,
}

enum Way {
    /// `out` is a pipe.
    Pipe,
    /// A pipe of ours in between: its ends to read from and to write to.
    Through(File, File),
    /// Through a buffer.
    Copy,
}

impl<'a> Sender<'a> {
    /// Of `source` to `out`; through a pipe of its own if `out` is a socket. Whatever else takes a copy,
    /// also where the kernel would move pages: a file takes them into the page cache.
    pub fn new(source: &'a dyn Source, out: &'a File, stop: &'a Stop) -> io::Result<Self> {
        let kind = out.metadata()?.file_type();
        let way = if kind.is_fifo() {
            Way::Pipe
        } else if kind.is_socket() {
            let (from, to) = io::pipe()?;
            let file = |end: std::os::fd::OwnedFd| File::from(end);
            Way::Through(file(from.into()), file(to.into()))
        } else {
            Way::Copy
        };
        Ok(Self {
            source,
            out,
            stop,
            way,
            direct: 0,
            copied: 0,
            stored: 0,
        })
    }

    /// Whether every byte is going to be copied.
    pub fn copies(&self) -> bool {
        matches!(self.way, Way::Copy)
    }

    /// Where it goes to.
    pub fn out(&self) -> &'a File {
        self.out
    }

    /// Sends `span`, at most [`BLOCK`] bytes, as they are.
    pub fn send(&mut self, span: Span) -> io::Result<()> {
        if !matches!(self.way, Way::Copy) {
            match self.splice(span) {
                Ok(()) => {
                    self.direct += span.length;
                    return Ok(());
                }
                Err((0, error)) if cannot(&error) => {
                    log::info!("every byte is copied: {error}");
                    self.way = Way::Copy;
                }
                Err((_, error)) => return Err(error),
            }
        }
        let bytes = self.read(span)?;
        (&mut &*self.out).write_all(&bytes)?;
        self.copied += span.length;
        Ok(())
    }

    /// The bytes of `span`, compressed.
    pub fn pack(&mut self, span: Span, compression: Compression) -> io::Result<Vec<u8>> {
        let bytes = self.read(span)?;
        let packed = compression.pack(&bytes)?;
        self.copied += span.length;
        self.stored += packed.len() as u64;
        Ok(packed)
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; span.length as usize];
        self.source
            .read_at(&mut bytes, span.offset)
            .map_err(|error| error.errno)?;
        Ok(bytes)
    }

    /// Sends all of `span` by its pages; else the bytes that went, and what stopped it.
    fn splice(&self, span: Span) -> Result<(), (u64, io::Error)> {
        let start = self.source.start() + span.offset;
        let mapping = Mapping::new(self.source.file(), start, span.length as usize)
            .map_err(|error| (0, error))?;
        let mut done = 0;
        while done < span.length {
            let left = u32::try_from(span.length - done).unwrap_or(u32::MAX);
            let moved = match &self.way {
                Way::Pipe => splice::into_pipe(&mapping, start + done, left, self.out),
                Way::Through(from, to) => splice::into_pipe(&mapping, start + done, left, to)
                    .and_then(|moved| drain(from, self.out, moved, self.stop)),
                Way::Copy => Err(Errno::EINVAL.into()),
            };
            match moved {
                Ok(moved) => done += moved as u64,
                Err(error) if is_foreign_signal(&error, self.stop) => {}
                Err(error) => return Err((done, error)),
            }
        }
        Ok(())
    }
}

/// Moves all `length` bytes that are in the pipe `from`.
fn drain(from: &File, out: &File, length: usize, stop: &Stop) -> io::Result<usize> {
    let mut left = length;
    while left > 0 {
        match splice::out_of_pipe(from, out, left) {
            Ok(moved) => left -= moved,
            Err(error) if is_foreign_signal(&error, stop) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Whether a signal came that is not a request to stop.
fn is_foreign_signal(error: &io::Error, stop: &Stop) -> bool {
    error.kind() == io::ErrorKind::Interrupted && !stop.requested()
}

/// Whether it cannot be spliced, and may be copied.
fn cannot(error: &io::Error) -> bool {
    matches!(
        errno_of(error),
        Errno::EINVAL
            | Errno::EOPNOTSUPP
            | Errno::EBADF
            | Errno::EFAULT
            | Errno::ENOSYS
            | Errno::ENODEV
            | Errno::EPERM
    )
}
