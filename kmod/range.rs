// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Arithmetic on byte ranges and page frames: plain `core` code, 64 bits wide on every machine.
//!
//! Included by the module, where KUnit runs its tests in the guest, and by the `resmem-abi` crate,
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

/// The page frames that lie wholly within `size` bytes from physical address `base`: first frame
/// and number. `None` where there is not one, or where they do not fit a `usize`.
pub fn whole_frames(base: u64, size: u64, page_shift: u32) -> Option<(usize, usize)> {
    let mask = (1u64 << page_shift) - 1;
    let first = base.checked_add(mask)? >> page_shift;
    let end = base.checked_add(size)? >> page_shift;
    let count = end.checked_sub(first)?;
    if count == 0 {
        return None;
    }
    Some((usize::try_from(first).ok()?, usize::try_from(count).ok()?))
}

/// One request's share of a transfer, offsets relative to the transfer's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte.
    pub offset: u64,
    /// Bytes; not zero.
    pub length: u32,
}

/// Splits `from..length` into chunks of at most `chunk` bytes, in order.
pub fn chunks(from: u64, length: u64, chunk: u32) -> impl Iterator<Item = Chunk> {
    let mut offset = from;
    core::iter::from_fn(move || {
        let left = length.checked_sub(offset).filter(|left| *left > 0)?;
        let this = u32::try_from(left).unwrap_or(u32::MAX).min(chunk);
        let piece = Chunk {
            offset,
            length: this,
        };
        offset += u64::from(this);
        Some(piece)
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
    fn frames_of_an_aligned_region_are_all_of_it() {
        assert_eq!(
            whole_frames(0x1000_0000, 0x400_0000, 12),
            Some((0x1_0000, 0x4000))
        );
    }

    #[test]
    fn frames_of_an_unaligned_region_exclude_the_neighbours_pages() {
        assert_eq!(whole_frames(0x1000_0001, 0x2fff, 12), Some((0x1_0001, 2)));
        assert_eq!(whole_frames(0x1000_0800, 0x1000, 12), None);
    }

    #[test]
    fn frames_above_4_gib_fit_a_32_bit_frame_number() {
        assert_eq!(
            whole_frames(0xf_c000_0000, GIB, 12),
            Some((0xfc_0000, 0x4_0000))
        );
    }

    #[test]
    fn frames_of_a_region_that_wraps_are_none() {
        assert_eq!(whole_frames(u64::MAX - 0xfff, 0x2000, 12), None);
    }

    #[test]
    fn chunks_cover_the_range_once_and_in_order() {
        let mut end = 0;
        for chunk in chunks(0, 10 * 65536 + 4096, 65536) {
            assert_eq!(chunk.offset, end);
            end += u64::from(chunk.length);
        }
        assert_eq!(end, 10 * 65536 + 4096);
    }

    #[test]
    fn chunks_resume_where_a_short_transfer_stopped() {
        let mut rest = chunks(5000, 9000, 65536);
        assert_eq!(
            rest.next(),
            Some(Chunk {
                offset: 5000,
                length: 4000
            })
        );
        assert_eq!(rest.next(), None);
    }

    #[test]
    fn chunks_of_a_range_beyond_4_gib_do_not_wrap() {
        let mut tail = chunks(5 * GIB, 5 * GIB + 1, 65536);
        assert_eq!(tail.next().map(|chunk| chunk.length), Some(1));
        assert_eq!(tail.next(), None);
    }
}
