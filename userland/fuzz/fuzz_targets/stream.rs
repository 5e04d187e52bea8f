// SPDX-License-Identifier: MIT
//! What comes over a connection. The first byte of the input says where to begin: with the magic and the header,
//! with what a receiver answers, or with blocks that are compressed in one way or not at all, in one version or the
//! other; what is small enough is also packed and unpacked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resdump::codec::compression::{BLOCK_MAX, Compression};
use resdump::stream::wire::{self, Event, Version};

fuzz_target!(|input: &[u8]| {
    let Some((how, mut from)) = input.split_first() else {
        return;
    };
    let mut version = match how & 8 {
        0 => Version::Two,
        _ => Version::One,
    };
    let compression = match how % 8 {
        0 => {
            version = match wire::read_version(&mut from) {
                Ok(version) => version,
                Err(_) => return,
            };
            match wire::read_header(&mut from, version) {
                Ok(header) => header.compression,
                Err(_) => return,
            }
        }
        1 => Some(Compression::Zstd),
        2 => Some(Compression::Lz4),
        3 => {
            while let Ok(answer) = wire::read_answer(&mut from) {
                if let wire::Answer::Verdict(verdict) = answer {
                    // Whatever it says: success is what has no failure, and all bytes.
                    let is_success = verdict.judge("tcp:a:1", 10).is_ok();
                    assert_eq!(is_success, verdict.error.is_none() && verdict.bytes == 10);
                }
            }
            return;
        }
        _ => None,
    };
    if let Some(compression) = compression {
        let packed = compression.pack(from).expect("memory has room");
        let bytes = compression.unpack(&packed, from.len());
        assert_eq!(bytes.expect("it was just packed"), from);
    }
    while let Ok(event) = wire::read_event(&mut from, version, compression) {
        match event {
            Event::Block(block) => assert!(!block.is_empty() && block.len() <= BLOCK_MAX),
            Event::Beat => {}
            Event::End(_) => return,
        }
    }
});
