// SPDX-License-Identifier: MIT

//! LiME's format, version 1: for each range a header (magic, version, first and last physical
//! address, eight bytes of zero), and its bytes. Written little-endian on every machine, as its
//! readers expect; read in either byte order, because LiME itself writes that of the machine.

use object::Endianness;

use super::{Contents, Format, RANGES_MAX, Range, ReadAt, Unreadable, bytes_at};

/// Bytes of a header.
pub const HEADER: u64 = 32;

const MAGIC: u32 = 0x4c69_4d45;
const VERSION: u32 = 1;

/// The header of `length` bytes from the physical address `base` on. `None` for what LiME cannot
/// say: no bytes, or a range that leaves 64 bits.
pub fn header(base: u64, length: u64) -> Option<Vec<u8>> {
    let last = base.checked_add(length.checked_sub(1)?)?;
    Some(
        [
            &MAGIC.to_le_bytes()[..],
            &VERSION.to_le_bytes(),
            &base.to_le_bytes(),
            &last.to_le_bytes(),
            &[0; 8],
        ]
        .concat(),
    )
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its byte order.
    pub endian: Endianness,
    /// Physical address of the first byte.
    pub base: u64,
    /// Bytes; `None` where first and last address are none.
    pub length: Option<u64>,
}

/// Reads a header. `None` when it is not one, or not all of it is there.
pub fn parse(head: &[u8]) -> Option<Header> {
    let magic: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let endian = if magic == MAGIC.to_le_bytes() {
        Endianness::Little
    } else if magic == MAGIC.to_be_bytes() {
        Endianness::Big
    } else {
        return None;
    };
    let word = |at: usize| {
        let bytes = head.get(at..at + 4)?.try_into().ok()?;
        Some(match endian {
            Endianness::Little => u32::from_le_bytes(bytes),
            Endianness::Big => u32::from_be_bytes(bytes),
        })
    };
    let long = |at: usize| {
        let bytes = head.get(at..at + 8)?.try_into().ok()?;
        Some(match endian {
            Endianness::Little => u64::from_le_bytes(bytes),
            Endianness::Big => u64::from_be_bytes(bytes),
        })
    };
    if word(4)? != VERSION {
        return None;
    }
    let (base, last) = (long(8)?, long(16)?);
    // Also that all of the header is there.
    let _reserved = long(24)?;
    Some(Header {
        endian,
        base,
        length: last.checked_sub(base).and_then(|less| less.checked_add(1)),
    })
}

/// Reads the headers of a file or device of `size` bytes. `Ok(None)` when it is not LiME's.
pub(super) fn detect(from: &dyn ReadAt, size: u64) -> Result<Option<Contents>, Unreadable> {
    let head = bytes_at(from, 0, HEADER as usize)?;
    let Some(first) = parse(&head) else {
        return match head.starts_with(b"EMiL") || head.starts_with(b"LiME") {
            true if (head.len() as u64) < HEADER => {
                Err(Unreadable::Damaged("it ends within its LiME header"))
            }
            true => Err(Unreadable::Foreign {
                name: "LiME's, of a version that is not 1",
                advice: "make LiME's version 1 of it first, with 'avml convert --format lime'",
            }),
            false => Ok(None),
        };
    };
    let mut contents = Contents {
        format: Format::Lime,
        ranges: Vec::new(),
        ..Contents::raw(0)
    };
    let mut at = 0;
    let mut next = Some(first);
    while let Some(Header {
        base,
        length,
        endian,
    }) = next
    {
        let length = length.ok_or(Unreadable::Damaged(
            "a LiME header has a last address before its first",
        ))?;
        if endian != first.endian {
            return Err(Unreadable::Damaged("its LiME headers differ in byte order"));
        }
        if contents.ranges.len() == RANGES_MAX {
            return Err(Unreadable::Damaged("it has more ranges than any machine"));
        }
        at += HEADER;
        let end = at.checked_add(length).ok_or(Unreadable::Damaged(
            "a LiME header has a range that no file can hold",
        ))?;
        contents.ranges.push(Range {
            base: Some(base),
            virt: None,
            at,
            length,
            stored: length.min(size.saturating_sub(at)),
        });
        contents.end = end;
        if end >= size {
            return Ok(Some(contents));
        }
        next = parse(&bytes_at(from, end, HEADER as usize)?);
        at = end;
    }
    contents.stray = true;
    Ok(Some(contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(endian: Endianness, base: u64, length: u64) -> Vec<u8> {
        let mut header = header(base, length).unwrap();
        if endian == Endianness::Big {
            header[..4].reverse();
            header[4..8].reverse();
            header[8..16].reverse();
            header[16..24].reverse();
        }
        header.resize(header.len() + length as usize, 7);
        header
    }

    #[test]
    fn the_header_is_little_endian_on_every_machine() {
        assert_eq!(
            header(0x0f_c000_0000, 0x1000).unwrap(),
            [
                b'E', b'M', b'i', b'L', 1, 0, 0, 0, // magic, version
                0, 0, 0, 0xc0, 0x0f, 0, 0, 0, // first
                0xff, 0x0f, 0, 0xc0, 0x0f, 0, 0, 0, // last
                0, 0, 0, 0, 0, 0, 0, 0,
            ]
        );
        assert_eq!(header(0x1000, 0), None);
        assert_eq!(header(u64::MAX, 2), None);
    }

    #[test]
    fn all_ranges_are_found_in_either_byte_order() {
        for endian in [Endianness::Big, Endianness::Little] {
            let file = [
                one(endian, 0x1000, 4096),
                one(endian, 0x10_0000, 5),
                one(endian, u64::MAX, 1),
            ]
            .concat();
            let found = detect(&&file[..], file.len() as u64).unwrap().unwrap();
            let ranges: Vec<_> = found
                .ranges
                .iter()
                .map(|range| (range.base.unwrap(), range.at, range.length, range.stored))
                .collect();
            assert_eq!(
                ranges,
                [
                    (0x1000, 32, 4096, 4096),
                    (0x10_0000, 4096 + 64, 5, 5),
                    (u64::MAX, 4096 + 64 + 5 + 32, 1, 1)
                ]
            );
            assert_eq!((found.end, found.stray), (file.len() as u64, false));
        }
    }

    #[test]
    fn a_file_that_was_cut_is_short_wherever_it_was_cut() {
        let file = [
            one(Endianness::Little, 0, 64),
            one(Endianness::Little, 4096, 64),
        ]
        .concat();
        for cut in 1..file.len() {
            let found = detect(&&file[..cut], cut as u64);
            let short = match &found {
                Ok(Some(found)) => found.stray || found.stored() < found.length() || cut == 96,
                Ok(None) => cut < 4,
                Err(Unreadable::Damaged(_)) => cut < 32,
                Err(_) => false,
            };
            assert!(short, "{cut}: {found:?}");
        }
    }

    #[test]
    fn what_is_behind_the_last_range_is_noticed() {
        let mut file = one(Endianness::Little, 0, 64);
        file.extend([0; 40]);
        let found = detect(&&file[..], file.len() as u64).unwrap().unwrap();
        assert_eq!((found.end, found.stray), (96, true));
    }

    #[test]
    fn ranges_that_cannot_be_are_damage() {
        let mut header = one(Endianness::Little, 0x1000, 1);
        header[17] = 0;
        assert!(matches!(
            detect(&&header[..], 33),
            Err(Unreadable::Damaged(_))
        ));
        header[8..16].fill(0);
        header[16..24].fill(0xff);
        assert!(matches!(
            detect(&&header[..], 33),
            Err(Unreadable::Damaged(_))
        ));
    }
}
