// SPDX-License-Identifier: MIT

//! Digests of what is dumped.

#![forbid(unsafe_code)]

use std::{fmt, sync::LazyLock};

use crc::{CRC_32_ISCSI, Crc, Table};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Digest as _;

/// Made when it is needed: 16 KiB that nothing compresses would lie in the image.
static CRC32C: LazyLock<Crc<u32, Table<16>>> =
    LazyLock::new(|| Crc::<u32, Table<16>>::new(&CRC_32_ISCSI));

/// The digests, as `--digest` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// CRC-32C: cheap, finds accidents
    Crc32c,
    /// SHA-256: what 'sha256sum' prints
    Sha256,
    /// BLAKE3: what 'b3sum' prints
    Blake3,
}

/// A digest, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal; read in either case.
    #[serde(deserialize_with = "lower_case")]
    pub hex: String,
}

fn lower_case<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from).map(|text| text.to_ascii_lowercase())
}

impl Digest {
    /// Whether it is a number of as many digits as the algorithm gives.
    pub fn is_well_formed(&self) -> bool {
        let digits = match self.algorithm {
            Algorithm::Crc32c => 8,
            Algorithm::Sha256 | Algorithm::Blake3 => 64,
        };
        self.hex.len() == digits && self.hex.bytes().all(|it| it.is_ascii_hexdigit())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Crc32c => "crc32c",
            Algorithm::Sha256 => "sha256",
            Algorithm::Blake3 => "blake3",
        };
        write!(f, "{name} {}", self.hex)
    }
}

/// A digest in the making.
pub enum Hasher {
    /// See [`Algorithm::Crc32c`].
    Crc32c(crc::Digest<'static, u32, Table<16>>),
    /// See [`Algorithm::Sha256`].
    Sha256(sha2::Sha256),
    /// See [`Algorithm::Blake3`].
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Of no bytes yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32c => Self::Crc32c(CRC32C.digest()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Blake3 => Self::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32c(digest) => digest.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
        }
    }

    /// Of all bytes.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self {
            Self::Crc32c(digest) => (Algorithm::Crc32c, format!("{:08x}", digest.finalize())),
            Self::Sha256(hasher) => (Algorithm::Sha256, hex(&hasher.finalize())),
            Self::Blake3(hasher) => (Algorithm::Blake3, hex(hasher.finalize().as_bytes())),
        };
        Digest { algorithm, hex }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(algorithm: Algorithm, pieces: &[&[u8]]) -> String {
        let mut hasher = Hasher::new(algorithm);
        pieces.iter().for_each(|piece| hasher.update(piece));
        hasher.finish().hex
    }

    /// The check values of the CRC catalogue, FIPS 180 and the BLAKE3 test vectors.
    #[test]
    fn known_answers() {
        assert_eq!(hash(Algorithm::Crc32c, &[b"12345", b"6789"]), "e3069283");
        assert_eq!(
            hash(Algorithm::Sha256, &[b"a", b"bc"]),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hash(Algorithm::Blake3, &[]),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}
