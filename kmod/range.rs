// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Arithmetic on byte ranges and page frames: plain `core` code, 64 bits wide on every machine.
//!
//! Included by the module, where KUnit runs its tests in the guest, and by the `resmem` crate,
//! where `cargo test` runs the same tests on the host.

/// Why a range was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// No bytes.
    Empty,
    /// Offset plus length wraps, or the end is beyond what a file offset can say.
    Overflow,
    /// The end is beyond the end of the region.
    Beyond,
    /// Offset or length is not a multiple of the alignment.
    Misaligned,
}

/// Largest offset that a `loff_t` holds.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// Checks that `length` bytes from `offset` lie within `size` bytes.
pub fn within(offset: u64, length: u64, size: u64) -> Result<(), RangeError> {
    if length == 0 {
        return Err(RangeError::Empty);
    }
    let end = offset.checked_add(length).ok_or(RangeError::Overflow)?;
    if end > size {
        return Err(RangeError::Beyond);
    }
    Ok(())
}

/// Checks that `length` bytes from `offset` are something that a file offset can name.
pub fn file_range(offset: u64, length: u64) -> Result<(), RangeError> {
    match offset.checked_add(length) {
        Some(end) if end <= OFFSET_MAX => Ok(()),
        _ => Err(RangeError::Overflow),
    }
}

/// Checks that all of `values` are multiples of `align`, a power of two.
pub fn aligned(values: &[u64], align: u64) -> Result<(), RangeError> {
    if values.iter().all(|value| value & (align - 1) == 0) {
        Ok(())
    } else {
        Err(RangeError::Misaligned)
    }
}

/// The page frames that `size` bytes from physical address `base` lie in: first frame and number.
/// `None` for an empty range, one that wraps, or frame numbers that do not fit a `usize`.
pub fn frames(base: u64, size: u64, page_shift: u32) -> Option<(usize, usize)> {
    let last = base.checked_add(size.checked_sub(1)?)? >> page_shift;
    let first = base >> page_shift;
    Some((
        usize::try_from(first).ok()?,
        usize::try_from(last - first + 1).ok()?,
    ))
}

/// Checks that the byte `offset` bytes behind `base`, or the end of all addresses, is at a multiple of `align`, a
/// power of two.
pub fn aligned_at(base: u64, offset: u64, align: u64) -> Result<(), RangeError> {
    // Of a region that ends where addresses end, the end is at 0.
    aligned(&[base.wrapping_add(offset)], align)
}

/// What bounds the size of a request, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most that one request moves directly.
    pub chunk: u32,
    /// Size of a bounce buffer, a multiple of `align`.
    pub bounce: u32,
    /// Multiple that every request but the last must have, a power of two.
    pub align: u32,
}

/// How bytes get to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The device accesses the memory itself.
    Direct,
    /// A processor copies to a buffer that the device accesses.
    Bounced,
    /// A processor copies to the target's page cache: a part of a block.
    Cached,
}

/// One request's share of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes; not zero.
    pub length: u32,
    /// How they go.
    pub way: Way,
}

/// Where a transfer of `length` bytes to `position` crosses into whole blocks of `align` bytes, a
/// power of two, and out of them again: the ends of its head, its body and its tail, in bytes from
/// its begin. Each may be empty; the range must not wrap.
pub fn edges(position: u64, length: u64, align: u64) -> [u64; 3] {
    let head = (position.wrapping_neg() & (align - 1)).min(length);
    let tail = (position + length) & (align - 1);
    [head, length.saturating_sub(tail).max(head), length]
}

/// The next piece, of at most `left` bytes. From here on, `direct` bytes can be moved directly, or,
/// where that is 0, `hole` bytes cannot. `None` when nothing is left.
pub fn next_piece(left: u64, direct: u64, hole: u64, limits: Limits) -> Option<Piece> {
    let align = u64::from(limits.align);
    let cut = |wanted: u64| {
        if wanted >= left {
            left
        } else {
            wanted & !(align - 1)
        }
    };
    let length = cut(direct.min(limits.chunk.into()));
    if length > 0 {
        return Some(Piece {
            length: u32::try_from(length).ok()?,
            way: Way::Direct,
        });
    }
    // A hole ends within a block of the target: the rest of the block is copied with it.
    let hole = hole.max(1).checked_add(align - 1)? & !(align - 1);
    let length = cut(hole.min(limits.bounce.into()));
    (length > 0).then_some(Piece {
        length: u32::try_from(length).ok()?,
        way: Way::Bounced,
    })
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, ::kernel::prelude::kunit_tests(resmem_range))]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_range_up_to_the_last_byte_is_within() {
        assert_eq!(within(0, GIB, GIB), Ok(()));
        assert_eq!(within(GIB - 1, 1, GIB), Ok(()));
    }

    #[test]
    fn a_range_one_byte_beyond_the_end_is_refused() {
        assert_eq!(within(1, GIB, GIB), Err(RangeError::Beyond));
        assert_eq!(within(GIB, 1, GIB), Err(RangeError::Beyond));
    }

    #[test]
    fn an_empty_range_is_refused() {
        assert_eq!(within(0, 0, GIB), Err(RangeError::Empty));
    }

    #[test]
    fn a_range_that_wraps_64_bits_is_an_overflow() {
        assert_eq!(within(u64::MAX, 2, GIB), Err(RangeError::Overflow));
        assert_eq!(within(1, u64::MAX, u64::MAX), Err(RangeError::Overflow));
    }

    #[test]
    fn a_range_that_would_wrap_32_bits_is_beyond_and_not_inside() {
        assert_eq!(within(0xffff_f000, 0x2000, GIB), Err(RangeError::Beyond));
        assert_eq!(within(0x1_0000_0000, 0x1000, GIB), Err(RangeError::Beyond));
        assert_eq!(within(0xffff_f000, 0x2000, 8 * GIB), Ok(()));
    }

    #[test]
    fn a_file_offset_ends_at_the_largest_signed_value() {
        assert_eq!(file_range(OFFSET_MAX, 0), Ok(()));
        assert_eq!(file_range(OFFSET_MAX, 1), Err(RangeError::Overflow));
        assert_eq!(file_range(u64::MAX, 1), Err(RangeError::Overflow));
    }

    #[test]
    fn alignment_looks_at_every_value() {
        assert_eq!(aligned(&[0, 512, 4096], 512), Ok(()));
        assert_eq!(aligned(&[0, 511, 4096], 512), Err(RangeError::Misaligned));
    }

    #[test]
    fn the_end_of_all_addresses_is_aligned() {
        assert_eq!(aligned_at(u64::MAX - 4095, 4096, 512), Ok(()));
        let misaligned = aligned_at(u64::MAX - 4095, 4095, 512);
        assert_eq!(misaligned, Err(RangeError::Misaligned));
    }

    #[test]
    fn frames_of_an_aligned_region_are_all_of_it() {
        let found = frames(0x1000_0000, 0x400_0000, 12);
        assert_eq!(found, Some((0x1_0000, 0x4000)));
    }

    #[test]
    fn frames_of_an_unaligned_region_include_those_it_touches() {
        assert_eq!(frames(0x1000_0fff, 2, 12), Some((0x1_0000, 2)));
        assert_eq!(frames(0x1000_0800, 0x1000, 12), Some((0x1_0000, 2)));
        assert_eq!(frames(0x1000_0800, 0x10, 12), Some((0x1_0000, 1)));
    }

    #[test]
    fn frames_above_4_gib_fit_a_32_bit_frame_number() {
        let found = frames(0xf_c000_0000, GIB, 12);
        assert_eq!(found, Some((0xfc_0000, 0x4_0000)));
    }

    #[test]
    fn frames_up_to_the_last_address_do_not_wrap() {
        assert_eq!(frames(u64::MAX - 0xfff, 0x1000, 52), Some((0xfff, 1)));
    }

    #[test]
    fn frames_of_a_region_that_is_empty_or_wraps_are_none() {
        assert_eq!(frames(u64::MAX - 0xfff, 0x2000, 12), None);
        assert_eq!(frames(0x1000, 0, 12), None);
    }

    const LIMITS: Limits = Limits {
        chunk: 1 << 20,
        bounce: 32768,
        align: 512,
    };

    fn piece(length: u32, direct: bool) -> Option<Piece> {
        let way = if direct { Way::Direct } else { Way::Bounced };
        Some(Piece { length, way })
    }

    #[test]
    fn whole_blocks_have_no_edges() {
        assert_eq!(edges(1024, 4096, 512), [0, 4096, 4096]);
        assert_eq!(edges(1, GIB, 1), [0, GIB, GIB]);
    }

    #[test]
    fn parts_of_blocks_are_head_and_tail() {
        assert_eq!(edges(0, 1, 512), [0, 0, 1]);
        assert_eq!(edges(0, 511, 512), [0, 0, 511]);
        assert_eq!(edges(0, 5 * 512 + 1, 512), [0, 2560, 2561]);
        assert_eq!(edges(100, 4096, 512), [412, 412 + 3584, 4096]);
        assert_eq!(edges(100, 412, 512), [412, 412, 412]);
    }

    #[test]
    fn a_range_within_one_block_is_all_head() {
        assert_eq!(edges(100, 10, 512), [10, 10, 10]);
        assert_eq!(edges(511, 2, 512), [1, 1, 2]);
    }

    #[test]
    fn a_piece_is_a_chunk_while_pages_last() {
        assert_eq!(next_piece(GIB, GIB, 0, LIMITS), piece(1 << 20, true));
        assert_eq!(
            next_piece(8 * GIB, 8 * GIB, 0, LIMITS),
            piece(1 << 20, true)
        );
    }

    #[test]
    fn the_last_piece_has_the_odd_end() {
        assert_eq!(next_piece(777, GIB, 0, LIMITS), piece(777, true));
        assert_eq!(next_piece(0, GIB, 0, LIMITS), None);
    }

    #[test]
    fn a_piece_before_a_hole_ends_on_a_block() {
        assert_eq!(next_piece(GIB, 1000, 0, LIMITS), piece(512, true));
    }

    #[test]
    fn a_block_that_a_hole_begins_in_is_copied() {
        assert_eq!(next_piece(GIB, 100, 0, LIMITS), piece(512, false));
    }

    #[test]
    fn a_hole_is_copied_a_bounce_buffer_at_a_time() {
        assert_eq!(next_piece(GIB, 0, GIB, LIMITS), piece(32768, false));
        assert_eq!(next_piece(100, 0, GIB, LIMITS), piece(100, false));
    }

    #[test]
    fn a_copy_ends_on_the_block_that_the_hole_ends_in() {
        assert_eq!(next_piece(GIB, 0, 4096, LIMITS), piece(4096, false));
        assert_eq!(next_piece(GIB, 0, 4097, LIMITS), piece(4608, false));
    }

    #[test]
    fn pieces_cover_a_mixed_range_once_and_in_order() {
        // Pages up to 1000000, a hole of 10000 bytes, pages up to 2000000.
        let (mut at, end) = (0u64, 2_000_000u64);
        let mut copied = 0;
        while at < end {
            let (direct, hole) = match at {
                0..1_000_000 => (1_000_000 - at, 0),
                1_000_000..1_010_000 => (0, 1_010_000 - at),
                _ => (end - at, 0),
            };
            let Some(piece) = next_piece(end - at, direct, hole, LIMITS) else {
                break;
            };
            assert!((piece.way == Way::Direct) == (direct >= 512));
            copied += match piece.way {
                Way::Direct => 0,
                _ => piece.length,
            };
            at += u64::from(piece.length);
        }
        assert_eq!(at, end);
        assert!((10_000..10_000 + 2 * 512).contains(&copied));
    }
}
