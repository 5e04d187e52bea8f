// SPDX-License-Identifier: MIT

use std::fs;

use super::*;
use crate::{
    codec::compression::{BLOCK_MAX, Compression},
    exit_codes::ExitCode,
    source::{How, Saved},
};

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
    let source = Saved::open(&folder.path().join("source"), &How::default()).unwrap();
    assert_eq!(read_back.compare(&source, 0).unwrap(), Some((1 << 20) + 77));
    let error = read_back.expect_bytes(&source, 0).unwrap_err();
    assert_eq!(error.code, ExitCode::Mismatch);
}

#[test]
fn a_compressed_file_ends_where_it_ends_and_is_unpacked_block_by_block() {
    for compression in [Compression::Zstd, Compression::Lz4] {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let path = folder.path().join("dump");
        let code = |bytes: &[u8], length| {
            fs::write(&path, compression.pack(bytes).unwrap()).unwrap();
            let mut packed =
                ReadBack::open_packed(&path, length, compression, &Stop::default()).unwrap();
            packed
                .digest(Algorithm::Crc32c)
                .err()
                .map(|error| error.code)
        };
        assert_eq!(code(&bytes(5000), u64::MAX), Some(ExitCode::Incomplete));
        assert_eq!(code(&bytes(5000), 5001), Some(ExitCode::Incomplete));
        assert_eq!(code(&bytes(5000), 4999), Some(ExitCode::Mismatch));
        assert_eq!(code(&bytes(5000), 5000), None);
        let large = vec![7; BLOCK_MAX + 1];
        assert_eq!(code(&large, large.len() as u64), None);
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
