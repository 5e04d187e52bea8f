// SPDX-License-Identifier: MIT

//! Layouts of a file that holds a dump: what its first bytes say it is, and which bytes of memory
//! are where in it.

#![forbid(unsafe_code)]

use std::io;

use serde::{Deserialize, Serialize};

use super::compression::Compression;

pub mod elf;
mod file;
pub mod lime;
pub mod machine;
mod magic;

use machine::Machine;

/// The layouts, as the command line names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Exactly the bytes
    Raw,
    /// ELF core: physical addresses, and a note that says what it is
    Elf,
    /// LiME, as Volatility and AVML read it: little-endian
    Lime,
}

impl Format {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Elf => "elf",
            Self::Lime => "lime",
        }
    }
}

/// Most ranges of one file.
pub const RANGES_MAX: usize = 1 << 16;

/// Something that bytes can be read from at any place.
pub trait ReadAt {
    /// Reads at most `buffer.len()` bytes from `at` on; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// At most `length` bytes from `at` on; fewer at the end.
fn bytes_at(from: &dyn ReadAt, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut done = 0;
    while done < length {
        match from.read_at(&mut bytes[done..], at.saturating_add(done as u64))? {
            0 => break,
            read => done += read,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// A run of memory in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Physical address of the first byte, if it is known. It and `length` do not leave 64 bits.
    pub base: Option<u64>,
    /// Address at which a debugger has the first byte, if that is another.
    pub virt: Option<u64>,
    /// Where the first byte is in the file. It and `stored` do not leave 64 bits.
    pub at: u64,
    /// Bytes that the header promises.
    pub length: u64,
    /// Those that are in the file: a prefix.
    pub stored: u64,
}

/// What a file says of the dump in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Layout of the file.
    pub format: Format,
    /// The runs of memory in it, in the order of the file's headers.
    pub ranges: Vec<Range>,
    /// The machine, as the headers have it.
    pub machine: Option<Machine>,
    /// Text of this program's own note.
    pub note: Option<Vec<u8>>,
    /// Where the file ends, by its headers.
    pub end: u64,
    /// Bytes behind the end that should be headers and are none.
    pub stray: bool,
    /// Bytes of memory that another program has left out of the file on purpose.
    pub left_out: u64,
}

impl Contents {
    /// Of a file without headers.
    pub fn raw(size: u64) -> Self {
        Self {
            format: Format::Raw,
            ranges: vec![Range {
                base: None,
                virt: None,
                at: 0,
                length: size,
                stored: size,
            }],
            machine: None,
            note: None,
            end: size,
            stray: false,
            left_out: 0,
        }
    }

    /// Bytes of memory in the file.
    pub fn stored(&self) -> u64 {
        self.ranges
            .iter()
            .fold(0, |sum, range| sum.saturating_add(range.stored))
    }

    /// Bytes that the headers promise.
    pub fn length(&self) -> u64 {
        self.ranges
            .iter()
            .fold(0, |sum, range| sum.saturating_add(range.length))
    }
}

/// What the first bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Memory, with or without headers.
    Plain(Contents),
    /// Something that is compressed.
    Packed(Compression),
}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The kernel says so.
    Io(io::Error),
    /// It is of a kind that this program knows by name only.
    Foreign {
        /// What it is.
        name: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Its headers cannot be right.
    Damaged(&'static str),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Looks for headers in a file or device of `size` bytes; raw is what has none.
pub fn detect(from: &dyn ReadAt, size: u64) -> Result<Found, Unreadable> {
    let head = bytes_at(from, 0, magic::LENGTH)?;
    let found = match elf::detect(from, &head, size)? {
        Some(found) => Some(found),
        None => lime::detect(from, size)?,
    };
    if let Some(found) = found {
        let mut lengths = found.ranges.iter().map(|range| range.length);
        return match lengths.try_fold(0, u64::checked_add) {
            Some(_) => Ok(Found::Plain(found)),
            None => Err(Unreadable::Damaged("its ranges have more than 2^64 bytes")),
        };
    }
    match magic::of(&head) {
        Some(magic::Kind::Packed(compression)) => Ok(Found::Packed(compression)),
        Some(magic::Kind::Foreign { name, advice }) => Err(Unreadable::Foreign { name, advice }),
        None => Ok(Found::Plain(Contents::raw(size))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_header_is_raw() {
        for head in [&b""[..], &[0; 4096], b"EMi", b"\x7fEL", b"BZh9"] {
            let Found::Plain(contents) = detect(&head, 10_000).unwrap() else {
                panic!("{head:?} is not compressed");
            };
            assert_eq!(contents, Contents::raw(10_000));
        }
    }
}
