// SPDX-License-Identifier: MIT

//! Compression, block by block: each is a frame of its own, so that the concatenation of all is what
//! `zstd -d` or `lz4 -d` reads, and a block that is lost costs no other.

use std::{
    error::Error,
    fmt,
    io::{self, BufRead, Read, Write},
};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use serde::{Deserialize, Serialize};

use super::zstd;

/// Most bytes of a block, compressed or not.
pub const BLOCK_MAX: usize = 4 << 20;

/// The ways to compress, as `--compress` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Smaller
    Zstd,
    /// Faster
    Lz4,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        })
    }
}

impl Compression {
    /// One frame that holds `bytes`.
    pub fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::pack(bytes),
            Self::Lz4 => {
                let info = FrameInfo::new().content_checksum(true);
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(bytes)?;
                Ok(encoder.finish()?)
            }
        }
    }

    /// What a frame holds, `length` bytes; anything else is an error.
    pub fn unpack(self, packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.unpack_next(&mut &*packed, length as u64)?;
        bytes
            .filter(|bytes| bytes.len() == length)
            .ok_or(io::ErrorKind::InvalidData.into())
    }

    /// What the next of several frames holds, at most `most` bytes; `None` after the last.
    /// `InvalidData` for what is not a frame, or holds more.
    pub fn unpack_next(self, from: &mut dyn BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        // One more than there should be, to notice that there is.
        let more = most.saturating_add(1);
        match self {
            Self::Zstd => zstd::Frame::new(from).and_then(|mut frame| {
                frame.by_ref().take(more).read_to_end(&mut bytes)?;
                match bytes.len() as u64 > most {
                    true => Ok(()),
                    false => frame.finish().map(drop),
                }
            }),
            Self::Lz4 => FrameDecoder::new(from)
                .take(more)
                .read_to_end(&mut bytes)
                .map(drop),
        }
        .map_err(invalid)?;
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Some(bytes))
    }
}

/// What a decoder says: an error of the file beneath it is that, all else is the fault of the bytes.
pub(super) fn invalid(error: io::Error) -> io::Error {
    match os_error(&error) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::ErrorKind::InvalidData.into(),
    }
}

/// The errno that an error wraps.
fn os_error(error: &io::Error) -> Option<i32> {
    if let Some(number) = error.raw_os_error() {
        return Some(number);
    }
    let mut cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return os_error(error);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A medium that fails in the middle.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            match self.0.read(to)? {
                0 => Err(io::Error::from_raw_os_error(5)),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn a_medium_that_fails_is_not_taken_for_damaged_bytes() {
        for compression in BOTH {
            let packed = compression.pack(&[7; 100_000]).unwrap();
            let half = Failing(&packed[..packed.len() / 2]);
            let error = compression
                .unpack_next(&mut io::BufReader::new(half), 100_000)
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(5), "{compression}: {error:?}");
        }
    }

    const BOTH: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

    #[test]
    fn what_was_packed_is_unpacked() {
        let text: Vec<u8> = (0..200_000u32).map(|n| (n / 1000) as u8).collect();
        let mut state = 1u32;
        let noise: Vec<u8> = (0..70_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for compression in BOTH {
            for bytes in [&text[..], &noise, &noise[..1], &[0; 4096]] {
                let packed = compression.pack(bytes).unwrap();
                assert_eq!(compression.unpack(&packed, bytes.len()).unwrap(), bytes);
            }
            assert!(compression.pack(&text).unwrap().len() < 10_000);
        }
    }

    #[test]
    fn frames_follow_each_other_to_the_end() {
        for compression in BOTH {
            let blocks = [vec![1; 70_000], vec![2; 5], vec![3; 4096]];
            let packed: Vec<u8> = blocks
                .iter()
                .flat_map(|block| compression.pack(block).unwrap())
                .collect();
            let from = &mut &packed[..];
            for block in &blocks {
                let found = compression.unpack_next(from, 70_000).unwrap();
                assert_eq!(found.as_ref(), Some(block));
            }
            assert_eq!(compression.unpack_next(from, 70_000).unwrap(), None);
        }
    }

    #[test]
    fn what_was_damaged_or_is_longer_is_an_error() {
        for compression in BOTH {
            let packed = compression.pack(&[7; 10_000]).unwrap();
            assert!(compression.unpack(&packed, 9_999).is_err());
            assert!(compression.unpack(&packed, 10_001).is_err());
            assert!(
                compression
                    .unpack(&packed[..packed.len() / 2], 10_000)
                    .is_err()
            );
            assert!(compression.unpack(b"nonsense", 8).is_err());
            // Of bytes that cannot be compressed, which are stored as they are.
            let noise: Vec<u8> = (0..10_000u32).map(|n| (n * n / 7) as u8).collect();
            let mut packed = compression.pack(&noise).unwrap();
            let middle = packed.len() / 2;
            packed[middle] ^= 1;
            assert!(compression.unpack(&packed, noise.len()).is_err());
        }
    }
}
