// SPDX-License-Identifier: MIT

//! What goes over a connection: who is speaking, what comes, the bytes in blocks, and whether that
//! was all. Numbers are big-endian on every machine.
//!
//! ```text
//! "resdump stream 1\n"
//! u32 length, JSON: Header
//! u32 length in the stream, u32 length of the bytes, block      (again and again)
//! u32 0
//! u32 length, JSON: Trailer
//! ```

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    codec::compression::{BLOCK_MAX, Compression},
    codec::digest::{Algorithm, Digest},
    codec::format::Format,
    manifest::Manifest,
    source::Source,
    span::Span,
};

const MAGIC: &[u8] = b"resdump stream 1\n";

/// Most bytes of a header or trailer.
const TEXT_MAX: usize = 64 << 10;

/// What comes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What is known of the dump before it begins.
    pub manifest: Manifest,
    /// How blocks are compressed.
    pub compression: Option<Compression>,
    /// The digest that the trailer is going to have.
    pub digest: Option<Algorithm>,
}

/// Whether that was all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// Bytes that were sent.
    pub bytes: u64,
    /// Of all bytes.
    pub digest: Option<Digest>,
    /// Why it is not all.
    pub error: Option<String>,
}

impl Header {
    /// What is known of `span` of `source` before it is sent.
    pub fn of(
        source: &dyn Source,
        span: Span,
        compression: Option<Compression>,
        digest: Option<Algorithm>,
    ) -> Self {
        Self {
            manifest: source.manifest(span, Format::Raw, 0),
            compression,
            digest,
        }
    }
}

/// Says what comes.
pub fn write_header(out: &mut dyn Write, header: &Header) -> io::Result<()> {
    out.write_all(MAGIC)?;
    write_text(out, header)
}

/// Announces a block of `stored` bytes that hold `length`; not zero.
pub fn write_block(out: &mut dyn Write, stored: u32, length: u32) -> io::Result<()> {
    let mut words = [0; 8];
    words[..4].copy_from_slice(&stored.to_be_bytes());
    words[4..].copy_from_slice(&length.to_be_bytes());
    out.write_all(&words)
}

/// Says that there are no more blocks, and whether that was all.
pub fn write_trailer(out: &mut dyn Write, trailer: &Trailer) -> io::Result<()> {
    out.write_all(&0u32.to_be_bytes())?;
    write_text(out, trailer)
}

fn write_text(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    out.write_all(&(text.len() as u32).to_be_bytes())?;
    out.write_all(&text)
}

/// Reads what comes. `InvalidData` for something else than a stream.
pub fn read_header(from: &mut dyn Read) -> io::Result<Header> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    read_text(from)
}

/// Reads the next block; `None` after the last.
pub fn read_block(
    from: &mut dyn Read,
    compression: Option<Compression>,
) -> io::Result<Option<Vec<u8>>> {
    let stored = read_length(from, BLOCK_MAX)?;
    if stored == 0 {
        return Ok(None);
    }
    let length = read_length(from, BLOCK_MAX)?;
    let mut block = vec![0; stored];
    from.read_exact(&mut block)?;
    match compression {
        Some(compression) => compression.unpack(&block, length).map(Some),
        None if stored == length => Ok(Some(block)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads whether that was all.
pub fn read_trailer(from: &mut dyn Read) -> io::Result<Trailer> {
    read_text(from)
}

fn read_length(from: &mut dyn Read, most: usize) -> io::Result<usize> {
    let mut word = [0; 4];
    from.read_exact(&mut word)?;
    usize::try_from(u32::from_be_bytes(word))
        .ok()
        .filter(|&length| length <= most)
        .ok_or(io::ErrorKind::InvalidData.into())
}

fn read_text<T: DeserializeOwned>(from: &mut dyn Read) -> io::Result<T> {
    let mut text = vec![0; read_length(from, TEXT_MAX)?];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;

    fn header(compression: Option<Compression>) -> Header {
        let origin = Origin {
            region: "capture".into(),
            base: Some(1 << 35),
            offset: 0,
            length: 6,
        };
        Header {
            manifest: Manifest::begin(origin, Format::Raw, 0, 1),
            compression,
            digest: None,
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
            }
            let trailer = Trailer {
                bytes: 6,
                digest: None,
                error: None,
            };
            write_trailer(&mut stream, &trailer).unwrap();

            let from = &mut &stream[..];
            assert_eq!(read_header(from).unwrap(), header);
            let mut next = || read_block(from, compression).unwrap();
            assert_eq!(next().as_deref(), Some(&b"abc"[..]));
            assert_eq!(next().as_deref(), Some(&b"def"[..]));
            assert_eq!(next(), None);
            assert_eq!(read_trailer(from).unwrap(), trailer);
            assert!(from.is_empty());
        }
    }

    #[test]
    fn the_framing_is_big_endian() {
        let mut stream = Vec::new();
        write_block(&mut stream, 0x0102_0304, 5).unwrap();
        assert_eq!(stream, [1, 2, 3, 4, 0, 0, 0, 5]);
    }

    #[test]
    fn strangers_and_absurd_lengths_are_refused() {
        assert!(read_header(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).is_err());
        assert!(read_block(&mut &[0xff; 8][..], None).is_err());
        assert!(read_block(&mut &[0, 0, 0, 2, 0, 0, 0, 3, 1, 1][..], None).is_err());
        assert!(read_block(&mut &[0, 0][..], None).is_err());
    }
}
