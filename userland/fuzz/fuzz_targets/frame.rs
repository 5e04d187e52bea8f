// SPDX-License-Identifier: MIT
//! A line of a console: a frame, or none. The second half of the work is done on what has the right check sum,
//! which chance does not find.

#![no_main]

use crc::{CRC_32_ISCSI, Crc};
use libfuzzer_sys::fuzz_target;
use resdump::stream::frame::Frame;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

fuzz_target!(|line: &[u8]| {
    check(line);
    let mut right = line.to_vec();
    right.insert(0, b'#');
    right.extend(format!(":{:08x}\n", CRC.checksum(line)).bytes());
    check(&right);
});

/// What was understood is understood again, with something of the console's before it.
fn check(line: &[u8]) {
    let Some(frame) = Frame::decode(line) else {
        return;
    };
    let again = format!("~ # [    1.0] {}", frame.encode());
    assert_eq!(Frame::decode(again.as_bytes()), Some(frame));
}
