// SPDX-License-Identifier: MIT

//! Compression, block by block: each is a frame of its own, so that the concatenation of all is what
//! `zstd -d` or `lz4 -d` reads, and a block that is lost costs no other.

use std::{
    fmt,
    io::{self, BufRead, Read, Write},
};

use clap::ValueEnum;
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use ruzstd::{
    decoding::StreamingDecoder,
    encoding::{CompressionLevel, compress_to_vec},
};
use serde::{Deserialize, Serialize};

/// Most bytes of a block, compressed or not.
pub const BLOCK_MAX: usize = 4 << 20;

/// The ways to compress, as `--compress` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
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
            Self::Zstd => Ok(compress_to_vec(bytes, CompressionLevel::Fastest)),
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
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let mut bytes = Vec::new();
        // One more than there should be, to notice that there is.
        match self {
            Self::Zstd => {
                let mut from =
                    StreamingDecoder::new(from).map_err(|_| io::ErrorKind::InvalidData)?;
                let read = from.by_ref().take(most + 1).read_to_end(&mut bytes);
                // The decoder leaves that to its caller.
                let told = from.decoder.get_checksum_from_data();
                if told.is_some() && told != from.decoder.get_calculated_checksum() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                read
            }
            Self::Lz4 => FrameDecoder::new(from)
                .take(most + 1)
                .read_to_end(&mut bytes),
        }
        .map_err(invalid)?;
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
