// SPDX-License-Identifier: MIT

//! Layouts of a file that holds a dump.

#![forbid(unsafe_code)]

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub mod elf;
pub mod lime;

/// The layouts, as the command line names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Exactly the bytes
    Raw,
    /// ELF core: physical addresses, and a note that says what it is
    Elf,
    /// LiME, as Volatility and AVML read it: one range, little-endian
    Lime,
}

/// What a file says of the dump in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Layout of the file.
    pub format: Format,
    /// Where the first byte is in the file.
    pub data_offset: u64,
    /// Bytes in the file.
    pub bytes: u64,
    /// Physical address of the first byte, if it is known.
    pub base: Option<u64>,
}

/// Looks for a header in the first bytes of a file of `size` bytes: raw is what has none.
pub fn detect(head: &[u8], size: u64) -> Contents {
    elf::parse(head)
        .map(|image| Contents {
            format: Format::Elf,
            data_offset: image.data_offset,
            bytes: image.stored.min(size.saturating_sub(image.data_offset)),
            base: Some(image.base),
        })
        .or_else(|| {
            lime::parse(head).map(|range| Contents {
                format: Format::Lime,
                data_offset: lime::HEADER,
                bytes: range.length.min(size.saturating_sub(lime::HEADER)),
                base: Some(range.base),
            })
        })
        .unwrap_or(Contents {
            format: Format::Raw,
            data_offset: 0,
            bytes: size,
            base: None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_header_is_raw() {
        for head in [&b""[..], b"\x7fELF", &[0; 4096], b"EMiL"] {
            let contents = detect(head, 10_000);
            assert_eq!((contents.format, contents.bytes), (Format::Raw, 10_000));
        }
    }

    #[test]
    fn a_file_that_was_cut_holds_what_is_there() {
        let range = lime::Range {
            base: 0x1000,
            length: 8192,
        };
        let contents = detect(&lime::header(range), 4096 + lime::HEADER);
        assert_eq!((contents.format, contents.bytes), (Format::Lime, 4096));
    }
}
