// SPDX-License-Identifier: MIT
//! What a saved file says of itself: ELF, LiME, another program's format, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resdump::codec::format::{self, Contents, Format, Found, RANGES_MAX, lime};

fuzz_target!(|file: &[u8]| {
    for size in [file.len() as u64, 1 << 20, u64::MAX] {
        let Ok(Found::Plain(contents)) = format::detect(&file, size) else {
            continue;
        };
        assert!(contents.ranges.len() <= RANGES_MAX);
        for range in &contents.ranges {
            assert!(range.stored <= range.length, "{range:?}");
            let end = range.at.checked_add(range.stored);
            let inside = range.stored == 0 || end.is_some_and(|end| end <= size);
            assert!(inside, "{range:?} in {size} bytes");
            let base = range.base.unwrap_or(0);
            let last = base.checked_add(range.length.saturating_sub(1));
            assert!(last.is_some(), "{range:?} leaves 64 bits");
        }
        if contents.format == Format::Raw {
            assert_eq!(contents, Contents::raw(size));
        }
    }
    if let Some(found) = lime::parse(file)
        && let Some(length) = found.length
    {
        let again = lime::header(found.base, length).expect("it was just read");
        let again = lime::parse(&again).expect("it was just written");
        assert_eq!((again.base, again.length), (found.base, found.length));
    }
});
