// SPDX-License-Identifier: MIT

//! Compression, block by block: each is a frame of its own, so that the concatenation of all is what
//! `zstd -d` or `lz4 -d` reads, and a block that is lost costs no other.

use std::io::{self, Read, Write};

use clap::ValueEnum;
use ruzstd::{
    decoding::StreamingDecoder,
    encoding::{CompressionLevel, compress_to_vec},
};
use serde::{Deserialize, Serialize};

/// The ways to compress, as `--compress` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Smaller
    Zstd,
    /// Faster
    Lz4,
}

impl Compression {
    /// One frame that holds `bytes`.
    pub fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => Ok(compress_to_vec(bytes, CompressionLevel::Fastest)),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes)?;
                Ok(encoder.finish()?)
            }
        }
    }

    /// What a frame holds, `length` bytes; anything else is an error.
    pub fn unpack(self, packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let mut bytes = Vec::new();
        // One more than there should be, to notice that there is.
        let most = length as u64 + 1;
        match self {
            Self::Zstd => StreamingDecoder::new(packed)
                .map_err(|_| io::ErrorKind::InvalidData)?
                .take(most)
                .read_to_end(&mut bytes),
            Self::Lz4 => lz4_flex::frame::FrameDecoder::new(packed)
                .take(most)
                .read_to_end(&mut bytes),
        }
        .map_err(invalid)?;
        if bytes.len() != length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(bytes)
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
        }
    }
}
