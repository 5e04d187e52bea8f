// SPDX-License-Identifier: MIT

//! The header of LiME's format, version 1: magic, version, first and last physical address, eight
//! bytes of zero. Little-endian on every machine, as its readers expect.

/// Bytes of a header.
pub const HEADER: u64 = 32;

const MAGIC: u32 = 0x4c69_4d45;
const VERSION: u32 = 1;

/// What is in memory where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Physical address of the first byte.
    pub base: u64,
    /// Bytes; not zero.
    pub length: u64,
}

/// The header of a range.
pub fn header(range: Range) -> Vec<u8> {
    let last = range.base + (range.length - 1);
    [
        &MAGIC.to_le_bytes()[..],
        &VERSION.to_le_bytes(),
        &range.base.to_le_bytes(),
        &last.to_le_bytes(),
        &[0; 8],
    ]
    .concat()
}

/// Reads the header at the start of a file. `None` when it is not one.
pub fn parse(head: &[u8]) -> Option<Range> {
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    if (word(0)?, word(4)?) != (MAGIC, VERSION) {
        return None;
    }
    let (base, last) = (long(8)?, long(16)?);
    // Also that all of the header is there.
    let _reserved = long(24)?;
    Some(Range {
        base,
        length: last.checked_sub(base)?.checked_add(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_little_endian_on_every_machine() {
        let header = header(Range {
            base: 0x0f_c000_0000,
            length: 0x1000,
        });
        assert_eq!(
            header,
            [
                b'E', b'M', b'i', b'L', 1, 0, 0, 0, // magic, version
                0, 0, 0, 0xc0, 0x0f, 0, 0, 0, // first
                0xff, 0x0f, 0, 0xc0, 0x0f, 0, 0, 0, // last
                0, 0, 0, 0, 0, 0, 0, 0,
            ]
        );
    }

    #[test]
    fn what_was_written_is_read() {
        let range = Range {
            base: 1 << 35,
            length: 5 << 30,
        };
        assert_eq!(parse(&header(range)), Some(range));
        assert_eq!(parse(&header(range)[..31]), None);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_none() {
        let mut header = header(Range {
            base: 0x1000,
            length: 1,
        });
        header[16] = 0;
        header[17] = 0;
        assert_eq!(parse(&header), None);
    }
}
