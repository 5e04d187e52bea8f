// SPDX-License-Identifier: MIT

//! Zstandard frames: by the reference library where that is built in (feature `zstd-reference`, for
//! hosts), else by one in Rust that is a tenth of its size and much slower. Either reads what the
//! other writes. Each frame has a check sum.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Bytes that are looked at to guess whether a block can be compressed.
const SAMPLE: usize = 4096;

/// Bytes that lie together in the sample.
const RUN: usize = 64;

/// Distance of the words that are looked for twice. What repeats in memory mostly is aligned.
const STEP: usize = 512;

/// One frame that holds `bytes`, compressed if that makes it smaller.
pub(super) fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    if is_noise(bytes) {
        return Ok(stored(bytes));
    }
    let packed = encode(bytes)?;
    Ok(if packed.len() > bytes.len() {
        stored(bytes)
    } else {
        packed
    })
}

/// A frame of the bytes as they are.
fn stored(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Uncompressed)
}

#[cfg(feature = "zstd-reference")]
fn encode(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

#[cfg(not(feature = "zstd-reference"))]
fn encode(bytes: &[u8]) -> io::Result<Vec<u8>> {
    Ok(compress_to_vec(bytes, CompressionLevel::Fastest))
}

/// A frame that is being unpacked. After the last of its bytes [`Self::finish`] gives back what it
/// was read from, at the byte behind it.
#[cfg(feature = "zstd-reference")]
pub(super) struct Frame<R: BufRead>(zstd::Decoder<'static, R>);

#[cfg(feature = "zstd-reference")]
impl<R: BufRead> Frame<R> {
    /// The next of `from`.
    pub(super) fn new(from: R) -> io::Result<Self> {
        Ok(Self(zstd::Decoder::with_buffer(from)?.single_frame()))
    }

    /// Fails if its check sum is not that of its bytes.
    pub(super) fn finish(self) -> io::Result<R> {
        // Its check sum was looked at with the last of its bytes.
        Ok(self.0.finish())
    }
}

/// A frame that is being unpacked. After the last of its bytes [`Self::finish`] gives back what it
/// was read from, at the byte behind it.
#[cfg(not(feature = "zstd-reference"))]
pub(super) struct Frame<R: BufRead>(
    ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>,
);

#[cfg(not(feature = "zstd-reference"))]
impl<R: BufRead> Frame<R> {
    /// The next of `from`.
    pub(super) fn new(from: R) -> io::Result<Self> {
        let frame = ruzstd::decoding::StreamingDecoder::new(from).map_err(io::Error::other)?;
        Ok(Self(frame))
    }

    /// Fails if its check sum is not that of its bytes.
    pub(super) fn finish(self) -> io::Result<R> {
        // The decoder leaves that to its caller.
        let told = self.0.decoder.get_checksum_from_data();
        if told.is_some() && told != self.0.decoder.get_calculated_checksum() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(self.0.into_inner())
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Whether a sample of `bytes` looks as if compression were in vain: its values are spread as evenly
/// as chance does, and no word comes twice. Cheap, by whole numbers only: there are processors
/// without others.
fn is_noise(bytes: &[u8]) -> bool {
    if bytes.len() < SAMPLE {
        return false;
    }
    let mut counts = [0u32; 256];
    let runs = SAMPLE / RUN;
    for run in 0..runs {
        let at = (bytes.len() - RUN) * run / (runs - 1);
        for &byte in &bytes[at..at + RUN] {
            counts[usize::from(byte)] += 1;
        }
    }
    // Chance makes chi squared 255, with a deviation of 23; a code that saves 1 % needs 370 more.
    let squares: u32 = counts.iter().map(|count| count * count).sum();
    let chi_squared = squares / (SAMPLE as u32 / 256) - SAMPLE as u32;
    if chi_squared > 500 {
        return false;
    }
    let mut words: Vec<&[u8]> = bytes.chunks_exact(STEP).map(|chunk| &chunk[..8]).collect();
    words.sort_unstable();
    let all = words.len();
    words.dedup();
    all - words.len() <= all / 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize, mut state: u64) -> Vec<u8> {
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    #[test]
    fn noise_is_stored_and_nothing_else() {
        let bytes = noise(1 << 20, 1);
        assert!(is_noise(&bytes) && is_noise(&bytes[..SAMPLE]));
        let packed = pack(&bytes).unwrap();
        assert!((bytes.len()..bytes.len() + 64).contains(&packed.len()));

        let mut tenth = bytes.clone();
        for chunk in tenth.chunks_mut(40_960) {
            chunk[..4096].fill(0);
        }
        let twice = noise(1 << 19, 2).repeat(2);
        let text = b"reserved memory 0123456789\n".repeat(1 << 15);
        let hex: Vec<u8> = bytes
            .iter()
            .map(|byte| b"0123456789abcdef"[usize::from(byte >> 4)])
            .collect();
        let words: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_be_bytes).collect();
        for compressible in [tenth, twice, text, hex, words, vec![0; 1 << 20]] {
            assert!(!is_noise(&compressible));
        }
    }

    /// The worst of many: what is noise is hardly ever taken for something else.
    #[test]
    fn noise_is_recognised_each_time() {
        let missed = (1..200)
            .filter(|seed| !is_noise(&noise(1 << 16, seed * 0x9e37)))
            .count();
        assert!(missed <= 1, "{missed}");
    }

    #[test]
    fn either_encoder_is_read() {
        let text = b"reserved memory 0123456789\n".repeat(10_000);
        for packed in [
            pack(&text).unwrap(),
            compress_to_vec(&text[..], CompressionLevel::Fastest),
            stored(&text),
        ] {
            let mut found = Vec::new();
            let mut frame = Frame::new(&packed[..]).unwrap();
            frame.read_to_end(&mut found).unwrap();
            assert!(found == text);
            assert!(frame.finish().unwrap().is_empty());
        }
    }
}
