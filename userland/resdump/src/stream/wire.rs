// SPDX-License-Identifier: MIT

//! What goes over a connection, in both directions. Numbers are big-endian on every machine.
//!
//! ```text
//! sender                                     receiver
//! "resdump stream 2\n"
//! H  JSON: Header
//!                                            "resdump stream 2\n"
//!                                            S  JSON: Start
//! B  u32 length of the bytes, block          K  nothing: a sign of life     (again and again)
//! K  nothing: a sign of life
//! E  JSON: Trailer
//!                                            V  JSON: Verdict               (at any time: the end)
//! ```
//!
//! A letter is followed by a u32, the length of what comes after it.
//!
//! Version 1, which is still received, has one direction only:
//!
//! ```text
//! "resdump stream 1\n"
//! u32 length, JSON: Header
//! u32 length in the stream, u32 length of the bytes, block      (again and again)
//! u32 0
//! u32 length, JSON: Trailer
//! ```

use std::io::{self, Read, Write};

use nix::errno::Errno;
use serde::{Serialize, de::DeserializeOwned};

pub use super::messages::{Check, Failure, Header, Start, Trailer, Verdict};
use crate::codec::compression::{BLOCK_MAX, Compression};

const MAGIC: &[u8; 15] = b"resdump stream ";

/// Most bytes of what is JSON.
const TEXT_MAX: usize = 64 << 10;

/// Bytes before those of a block.
const BLOCK_HEAD: u32 = 4;

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// In one direction: the sender does not read.
    One,
    /// With an answer.
    Two,
    /// A later one: what follows is not known.
    Later,
}

/// What a sender sends after its header.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A block of the dump.
    Block(Vec<u8>),
    /// It is there.
    Beat,
    /// That was all.
    End(Trailer),
}

/// What a receiver answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send on.
    Start(Start),
    /// It is there.
    Beat,
    /// The end.
    Verdict(Verdict),
}

/// Identifies the sender.
pub fn write_magic(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(b"2\n")
}

/// Says what comes.
pub fn write_header(out: &mut dyn Write, header: &Header) -> io::Result<()> {
    write_magic(out)?;
    write_text(out, b'H', header)
}

/// Announces a block of `stored` bytes that hold `length`.
pub fn write_block(out: &mut dyn Write, stored: u32, length: u32) -> io::Result<()> {
    let mut head = [b'B'; 9];
    head[1..5].copy_from_slice(&(stored + BLOCK_HEAD).to_be_bytes());
    head[5..].copy_from_slice(&length.to_be_bytes());
    out.write_all(&head)
}

/// Gives a sign of life.
pub fn write_beat(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"K\0\0\0\0")
}

/// Says that there are no more blocks, and whether that was all.
pub fn write_trailer(out: &mut dyn Write, trailer: &Trailer) -> io::Result<()> {
    write_text(out, b'E', trailer)
}

/// Answers a header.
pub fn write_start(out: &mut dyn Write, start: &Start) -> io::Result<()> {
    write_text(out, b'S', start)
}

/// Writes the result.
pub fn write_verdict(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    write_text(out, b'V', verdict)
}

fn write_text(out: &mut dyn Write, letter: u8, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    let mut message = vec![letter];
    message.extend((text.len() as u32).to_be_bytes());
    message.extend(text);
    out.write_all(&message)
}

/// Reads the identification. `InvalidData` as soon as it is not this program.
pub fn read_version(from: &mut dyn Read) -> io::Result<Version> {
    for expected in MAGIC {
        if read_byte(from)? != *expected {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let number = read_byte(from)?;
    if !number.is_ascii_digit() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let end = read_byte(from)?;
    match (number, end) {
        (b'1', b'\n') => Ok(Version::One),
        (b'2', b'\n') => Ok(Version::Two),
        _ if end == b'\n' || end.is_ascii_digit() => Ok(Version::Later),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads what comes.
pub fn read_header(from: &mut dyn Read, version: Version) -> io::Result<Header> {
    let length = match version {
        Version::One => read_length(from, TEXT_MAX)?,
        Version::Two => read_head(from, b"H").map(|(_, length)| length)?,
        Version::Later => return Err(Errno::EPROTONOSUPPORT.into()),
    };
    read_text(from, length)
}

/// Reads what a sender of `version` sends next.
pub fn read_event(
    from: &mut dyn Read,
    version: Version,
    compression: Option<Compression>,
) -> io::Result<Event> {
    if version == Version::One {
        let stored = read_length(from, BLOCK_MAX)?;
        if stored == 0 {
            let length = read_length(from, TEXT_MAX)?;
            return read_text(from, length).map(Event::End);
        }
        return read_block(from, stored, compression);
    }
    match read_head(from, b"BKE")? {
        (b'B', length) => {
            let stored = length
                .checked_sub(BLOCK_HEAD as usize)
                .ok_or(io::ErrorKind::InvalidData)?;
            read_block(from, stored, compression)
        }
        (b'E', length) => read_text(from, length).map(Event::End),
        (_, 0) => Ok(Event::Beat),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads what a receiver answers next.
pub fn read_answer(from: &mut dyn Read) -> io::Result<Answer> {
    match read_head(from, b"SKV")? {
        (b'S', length) => read_text(from, length).map(Answer::Start),
        (b'V', length) => read_text(from, length).map(Answer::Verdict),
        (_, 0) => Ok(Answer::Beat),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn read_block(
    from: &mut dyn Read,
    stored: usize,
    compression: Option<Compression>,
) -> io::Result<Event> {
    let length = read_length(from, BLOCK_MAX)?;
    if length == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut block = vec![0; stored];
    from.read_exact(&mut block)?;
    match compression {
        Some(compression) => compression.unpack(&block, length).map(Event::Block),
        None if stored == length => Ok(Event::Block(block)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A letter, one of `known`, and the length of what follows.
fn read_head(from: &mut dyn Read, known: &[u8]) -> io::Result<(u8, usize)> {
    let letter = read_byte(from)?;
    if !known.contains(&letter) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let most = match letter {
        b'B' => BLOCK_MAX + BLOCK_HEAD as usize,
        _ => TEXT_MAX,
    };
    Ok((letter, read_length(from, most)?))
}

fn read_byte(from: &mut dyn Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn read_length(from: &mut dyn Read, most: usize) -> io::Result<usize> {
    let mut word = [0; 4];
    from.read_exact(&mut word)?;
    usize::try_from(u32::from_be_bytes(word))
        .ok()
        .filter(|&length| length <= most)
        .ok_or(io::ErrorKind::InvalidData.into())
}

fn read_text<T: DeserializeOwned>(from: &mut dyn Read, length: usize) -> io::Result<T> {
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::format::Format,
        manifest::{self, Origin},
    };

    fn header(compression: Option<Compression>) -> Header {
        let origin = Origin {
            region: "capture".into(),
            base: Some(1 << 35),
            offset: 0,
            length: 6,
        };
        Header {
            manifest: manifest::begin(origin, Format::Raw, 0, 1),
            compression,
            digest: None,
            version: 2,
            session: 7,
        }
    }

    fn trailer() -> Trailer {
        Trailer {
            bytes: 6,
            digest: None,
            error: None,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd)] {
            let mut stream = Vec::new();
            let header = header(compression);
            write_header(&mut stream, &header).unwrap();
            for block in [&b"abc"[..], b"def"] {
                let packed = match compression {
                    Some(compression) => compression.pack(block).unwrap(),
                    None => block.to_vec(),
                };
                write_block(&mut stream, packed.len() as u32, block.len() as u32).unwrap();
                stream.extend(packed);
                write_beat(&mut stream).unwrap();
            }
            write_trailer(&mut stream, &trailer()).unwrap();

            let from = &mut &stream[..];
            assert_eq!(read_version(from).unwrap(), Version::Two);
            assert_eq!(read_header(from, Version::Two).unwrap(), header);
            let mut next = || read_event(from, Version::Two, compression).unwrap();
            assert_eq!(next(), Event::Block(b"abc".into()));
            assert_eq!(next(), Event::Beat);
            assert_eq!(next(), Event::Block(b"def".into()));
            assert_eq!(next(), Event::Beat);
            assert_eq!(next(), Event::End(trailer()));
            assert!(from.is_empty());
        }
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let start = Start::of(&header(None), 4, None);
        let verdict = Verdict {
            bytes: 6,
            in_memory: true,
            error: None,
        };
        let mut stream = Vec::new();
        write_magic(&mut stream).unwrap();
        write_beat(&mut stream).unwrap();
        write_start(&mut stream, &start).unwrap();
        write_verdict(&mut stream, &verdict).unwrap();
        let from = &mut &stream[..];
        assert_eq!(read_version(from).unwrap(), Version::Two);
        assert_eq!(read_answer(from).unwrap(), Answer::Beat);
        assert_eq!(read_answer(from).unwrap(), Answer::Start(start));
        assert_eq!(read_answer(from).unwrap(), Answer::Verdict(verdict));
    }

    #[test]
    fn a_stream_of_version_1_is_read() {
        let mut stream = b"resdump stream 1\n".to_vec();
        let text = |stream: &mut Vec<u8>, text: Vec<u8>| {
            stream.extend((text.len() as u32).to_be_bytes());
            stream.extend(text);
        };
        let header = header(None);
        text(&mut stream, serde_json::to_vec(&header).unwrap());
        stream.extend([0, 0, 0, 3, 0, 0, 0, 3]);
        stream.extend(b"abc");
        stream.extend([0; 4]);
        text(&mut stream, serde_json::to_vec(&trailer()).unwrap());

        let from = &mut &stream[..];
        assert_eq!(read_version(from).unwrap(), Version::One);
        assert_eq!(read_header(from, Version::One).unwrap(), header);
        let mut next = || read_event(from, Version::One, None).unwrap();
        assert_eq!(next(), Event::Block(b"abc".into()));
        assert_eq!(next(), Event::End(trailer()));
    }

    #[test]
    fn the_framing_is_big_endian() {
        let mut stream = Vec::new();
        write_block(&mut stream, 0x0102_0304, 5).unwrap();
        assert_eq!(stream, *b"B\x01\x02\x03\x08\0\0\0\x05");
    }

    #[test]
    fn strangers_and_absurd_lengths_are_refused() {
        for stranger in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"resdump stream x\n",
            b"\r\n",
            b"",
        ] {
            assert!(read_version(&mut &*stranger).is_err());
        }
        // The first byte tells; no more is waited for.
        let error = read_version(&mut &b"G"[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        for later in [&b"resdump stream 3\n"[..], b"resdump stream 12"] {
            assert_eq!(read_version(&mut &*later).unwrap(), Version::Later);
        }
        for wrong in [
            &b"B\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"B\0\0\0\x03\0\0\0\x03\x01\x01",
            b"B\0\0\0\x06\0\0\0\x03\x01\x01",
            b"B\0\0\0\x04\0\0\0\0",
            b"K\0\0\0\x01\0",
            b"E\0\0\0\x02{}",
            b"V\0\0\0\0",
            b"B\0\0",
        ] {
            assert!(read_event(&mut &*wrong, Version::Two, None).is_err());
        }
    }
}
