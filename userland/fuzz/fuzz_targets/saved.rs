// SPDX-License-Identifier: MIT
//! What a saved file says of itself in its first bytes: ELF, LiME, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resdump::codec::format::{self, Format, elf, lime};

fuzz_target!(|head: &[u8]| {
    for size in [head.len() as u64, 1 << 20, u64::MAX] {
        let contents = format::detect(head, size);
        let end = contents.data_offset.checked_add(contents.bytes);
        assert!(
            contents.bytes == 0 || end.is_some_and(|end| end <= size),
            "{contents:?} in {size} bytes"
        );
        if contents.format == Format::Raw {
            assert_eq!((contents.data_offset, contents.bytes), (0, size));
        }
    }
    if let Some(range) = lime::parse(head) {
        assert_eq!(lime::parse(&lime::header(range)), Some(range));
    }
    if let Some(image) = elf::parse(head) {
        let ours = (elf::DATA_OFFSET..1 << 16).contains(&image.data_offset);
        if ours && image.note.len() <= elf::NOTE_MAX {
            assert_eq!(elf::parse(&elf::header(&image)), Some(image));
        }
    }
});
