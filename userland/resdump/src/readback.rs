// SPDX-License-Identifier: MIT

//! Reads what is on a target, by direct I/O where that works: from the medium, not from the cache.

#![forbid(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use memmap2::MmapMut;
use nix::{errno::Errno, libc};

use crate::{
    codec::compression::{BLOCK_MAX, Compression},
    codec::digest::{Algorithm, Digest, Hasher},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::Manifest,
    signals::Stop,
    source::Source,
    span::Span,
};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// What offsets must be a multiple of for direct I/O on any disk.
const ALIGN: u64 = 4096;

/// Part of a file or device that holds a dump.
pub struct ReadBack {
    path: PathBuf,
    reader: Reader,
    data: Span,
    stop: Stop,
}

enum Reader {
    /// The bytes as they are.
    Plain(File, MmapMut),
    /// Frames, one after the other.
    Packed(BufReader<File>, Compression),
}

impl ReadBack {
    /// Opens `data` of the file or device `path`, to be read until `stop`.
    pub fn open(path: &Path, data: Span, stop: &Stop) -> Result<Self> {
        let failed = |error: io::Error| Error::io("cannot read back", path.display(), &error);
        let plain = || OpenOptions::new().read(true).open(path);
        let file = if data.offset.is_multiple_of(ALIGN) {
            OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_DIRECT)
                .open(path)
                .or_else(|_| plain())
        } else {
            plain()
        };
        Ok(Self {
            path: path.into(),
            reader: Reader::Plain(
                file.map_err(failed)?,
                MmapMut::map_anon(BLOCK).map_err(failed)?,
            ),
            data,
            stop: stop.clone(),
        })
    }

    /// Opens the file `path`, which holds `length` bytes, compressed.
    pub fn open_packed(
        path: &Path,
        length: u64,
        compression: Compression,
        stop: &Stop,
    ) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| Error::io("cannot read back", path.display(), &error))?;
        Ok(Self {
            path: path.into(),
            reader: Reader::Packed(BufReader::new(file), compression),
            data: Span { offset: 0, length },
            stop: stop.clone(),
        })
    }

    /// Opens what `manifest` says of `path`.
    pub fn of(path: &Path, manifest: &Manifest, stop: &Stop) -> Result<Self> {
        match manifest.compression {
            Some(compression) => Self::open_packed(path, manifest.bytes, compression, stop),
            None => Self::open(path, manifest.data(), stop),
        }
    }

    /// Gives all bytes to `take`, with their offset from the first; it says whether to go on.
    pub fn read(&mut self, take: &mut dyn FnMut(u64, &[u8]) -> Result<bool>) -> Result<()> {
        let path = &self.path;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => mismatch(path, "it cannot be unpacked".into()),
            _ => Error::io("cannot read back", path.display(), &error),
        };
        let mut done = 0;
        while done < self.data.length {
            if self.stop.requested() {
                return Err(Error::new(
                    ExitCode::Interrupted,
                    "read back in part",
                    path.display(),
                    Errno::EINTR,
                    format!("stopped by a signal; {done} of {} bytes", self.data.length),
                ));
            }
            let left = self.data.length - done;
            let wanted = left.min(BLOCK as u64) as usize;
            let unpacked;
            let (bytes, short): (&[u8], bool) = match &mut self.reader {
                Reader::Plain(file, buffer) => {
                    // Direct I/O reads whole blocks, and less at the end of a file.
                    let whole = wanted.next_multiple_of(ALIGN as usize);
                    let read = file
                        .read_at(&mut buffer[..whole], self.data.offset + done)
                        .map_err(failed)?
                        .min(wanted);
                    let aligned = read == wanted || read.is_multiple_of(ALIGN as usize);
                    (&buffer[..read], !aligned)
                }
                Reader::Packed(from, compression) => {
                    // Whatever the manifest says, no more is in memory than what is written at a time.
                    let most = left.min(BLOCK_MAX as u64);
                    unpacked = compression.unpack_next(from, most).map_err(failed)?;
                    (unpacked.as_deref().unwrap_or_default(), false)
                }
            };
            if bytes.is_empty() || short {
                return Err(Error::new(
                    ExitCode::Incomplete,
                    "file is too short",
                    path.display(),
                    Errno::ENODATA,
                    format!(
                        "it ends after {} of {} bytes",
                        done + bytes.len() as u64,
                        self.data.length
                    ),
                ));
            }
            if !take(done, bytes)? {
                break;
            }
            done += bytes.len() as u64;
        }
        Ok(())
    }

    /// The digest of all bytes.
    pub fn digest(&mut self, algorithm: Algorithm) -> Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        self.read(&mut |_, bytes| {
            hasher.update(bytes);
            Ok(true)
        })?;
        Ok(hasher.finish())
    }

    /// Compares with `source` from `offset` on; the first byte that differs, from the start of the
    /// dump.
    pub fn compare(&mut self, source: &dyn Source, offset: u64) -> Result<Option<u64>> {
        let mut expected = Vec::new();
        let mut differs = None;
        self.read(&mut |at, bytes| {
            expected.resize(bytes.len(), 0);
            source.read_at(&mut expected, offset + at)?;
            let same = expected == bytes;
            if !same {
                let first = expected.iter().zip(bytes).position(|(a, b)| a != b);
                differs = first.map(|first| at + first as u64);
            }
            Ok(same)
        })?;
        Ok(differs)
    }

    /// Fails unless the digest of all bytes is `expected`.
    pub fn expect_digest(&mut self, expected: &Digest) -> Result<()> {
        let found = self.digest(expected.algorithm)?;
        if found == *expected {
            return Ok(());
        }
        Err(differs(&self.path, &found, expected))
    }

    /// Fails unless all bytes are those of `source` from `offset` on.
    pub fn expect_bytes(&mut self, source: &dyn Source, offset: u64) -> Result<()> {
        match self.compare(source, offset)? {
            None => Ok(()),
            Some(at) => Err(mismatch(
                &self.path,
                format!(
                    "first at byte {at:#x} of the dump; the medium is bad, or the region has \
                     changed since"
                ),
            )),
        }
    }
}

/// Why the dump in `path`, whose digest was found, is not what it should be.
pub fn differs(path: &Path, found: &Digest, expected: &Digest) -> Error {
    let advice = format!("it has {found}, and should have {expected}");
    mismatch(path, advice)
}

fn mismatch(path: &Path, advice: String) -> Error {
    Error::new(
        ExitCode::Mismatch,
        "dump differs",
        path.display(),
        Errno::EBADMSG,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::Saved;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n / 5 * 3) as u8).collect()
    }

    /// A file of `length` bytes with `dump` at `start`.
    fn read_back(dump: &[u8], start: usize, length: u64) -> (tempfile::TempDir, ReadBack) {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let path = folder.path().join("dump");
        fs::write(&path, [&vec![0; start][..], dump].concat()).unwrap();
        let data = Span {
            offset: start as u64,
            length,
        };
        let read_back = ReadBack::open(&path, data, &Stop::default()).unwrap();
        (folder, read_back)
    }

    #[test]
    fn a_dump_of_any_length_and_place_has_its_digest() {
        for (start, length) in [(0, 1), (4096, (2 << 20) + 5), (32, 5000), (8192, 4096)] {
            let dump = bytes(length);
            let (_folder, mut read_back) = read_back(&dump, start, length as u64);
            let mut hasher = Hasher::new(Algorithm::Crc32c);
            hasher.update(&dump);
            read_back.expect_digest(&hasher.finish()).unwrap();
        }
    }

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let dump = bytes((1 << 20) + 4096);
        let (folder, mut read_back) = read_back(&dump, 0, dump.len() as u64);
        let mut other = dump.clone();
        other[(1 << 20) + 77] ^= 1;
        fs::write(folder.path().join("source"), &other).unwrap();
        let source = Saved::open(&folder.path().join("source")).unwrap();
        assert_eq!(read_back.compare(&source, 0).unwrap(), Some((1 << 20) + 77));
        let error = read_back.expect_bytes(&source, 0).unwrap_err();
        assert_eq!(error.code, ExitCode::Mismatch);
    }

    #[test]
    fn a_compressed_file_ends_where_it_ends_and_is_unpacked_block_by_block() {
        for compression in [Compression::Zstd, Compression::Lz4] {
            let folder = tempfile::TempDir::new_in(".").unwrap();
            let path = folder.path().join("dump");
            let code = |bytes: &[u8]| {
                fs::write(&path, compression.pack(bytes).unwrap()).unwrap();
                let mut packed =
                    ReadBack::open_packed(&path, u64::MAX, compression, &Stop::default()).unwrap();
                packed.digest(Algorithm::Crc32c).unwrap_err().code
            };
            assert_eq!(code(&bytes(5000)), ExitCode::Incomplete);
            assert_eq!(code(&vec![7; BLOCK_MAX + 1]), ExitCode::Mismatch);
        }
    }

    #[test]
    fn a_signal_ends_it() {
        let (_folder, mut read_back) = read_back(&bytes(4096), 0, 4096);
        read_back.stop.request();
        let error = read_back.digest(Algorithm::Crc32c).unwrap_err();
        assert_eq!(error.code, ExitCode::Interrupted);
    }

    #[test]
    fn a_file_that_is_too_short_is_incomplete() {
        for length in [4096, 5000] {
            let (_folder, mut read_back) = read_back(&bytes(length), 0, 9000);
            let error = read_back.digest(Algorithm::Crc32c).unwrap_err();
            assert_eq!(error.code, ExitCode::Incomplete);
        }
    }
}
