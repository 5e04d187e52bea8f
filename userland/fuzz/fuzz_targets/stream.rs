// SPDX-License-Identifier: MIT
//! What comes over a connection. The first byte of the input says where to begin: with the header, or with blocks
//! that are compressed in one way or not at all; what is small enough is also packed and unpacked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resdump::codec::compression::{BLOCK_MAX, Compression};
use resdump::stream::wire;

fuzz_target!(|input: &[u8]| {
    let Some((how, mut from)) = input.split_first() else {
        return;
    };
    let compression = match how % 4 {
        0 => match wire::read_header(&mut from) {
            Ok(header) => header.compression,
            Err(_) => return,
        },
        1 => Some(Compression::Zstd),
        2 => Some(Compression::Lz4),
        _ => None,
    };
    if let Some(compression) = compression {
        let packed = compression.pack(from).expect("memory has room");
        let bytes = compression.unpack(&packed, from.len());
        assert_eq!(bytes.expect("it was just packed"), from);
    }
    while let Ok(Some(block)) = wire::read_block(&mut from, compression) {
        assert!(block.len() <= BLOCK_MAX);
    }
    let _ = wire::read_trailer(&mut from);
});
