// SPDX-License-Identifier: MIT

//! Which bytes of a source are meant, and how they are laid out for direct I/O.

use std::ops::Range;

use nix::errno::Errno;
use resmem::range::{self, RangeError};

use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    size,
};

/// A range of bytes that lies within its source; not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte, relative to the start of the source.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Span {
    /// As a range. It lies within its source, so it does not wrap.
    pub fn range(self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length)
    }

    /// The bytes that `--offset` and `--length` name in a source of `size` bytes; without a length,
    /// all to the end.
    pub fn new(offset: u64, length: Option<u64>, size: u64) -> Result<Self> {
        let length = length.unwrap_or(size.saturating_sub(offset).max(1));
        range::within(offset, length, size).map_err(|error| {
            let errno = match error {
                RangeError::Empty | RangeError::Misaligned => Errno::EINVAL,
                RangeError::Overflow => Errno::EOVERFLOW,
                RangeError::Beyond => Errno::ERANGE,
            };
            let advice = match error {
                RangeError::Empty => "give a --length of at least one byte".into(),
                _ => format!(
                    "it has {}: give a smaller --offset or --length",
                    size::display_bytes(size)
                ),
            };
            Error::new(
                ExitCode::Range,
                "range refused",
                format_args!("--offset {offset:#x} --length {length:#x}"),
                errno,
                advice,
            )
        })?;
        Ok(Self { offset, length })
    }
}

/// What direct I/O on a target demands, in bytes; powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Multiple that memory addresses must be of.
    pub memory: u32,
    /// Multiple that offsets in the target, and lengths, must be of.
    pub offset: u32,
}

impl Alignment {
    /// What buffered I/O demands: nothing.
    pub const NONE: Self = Self {
        memory: 1,
        offset: 1,
    };
}

/// A span split into what direct I/O can move and a remainder smaller than one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is moved.
    pub span: Span,
    /// Where its first byte goes to in the target.
    pub seek: u64,
    /// Bytes from the start of the span that direct I/O moves.
    pub body: u64,
}

impl Plan {
    /// Lays `span` out for a target with `alignment`. `base` is the physical address of the source,
    /// 0 where it has none.
    pub fn new(span: Span, seek: u64, base: u64, alignment: Alignment) -> Result<Self> {
        range::file_range(seek, span.length).map_err(|_| {
            Error::new(
                ExitCode::Range,
                "range refused",
                format_args!("--seek {seek:#x} --length {:#x}", span.length),
                Errno::EOVERFLOW,
                "no file is that large: give a smaller --seek",
            )
        })?;
        let aligned = |flag, value: u64, start: u64, align: u32| {
            let address = start.wrapping_add(value);
            range::aligned(&[address], align.into()).map_err(|_| {
                let advice = match start % u64::from(align) {
                    0 => format!("give a multiple of {align}"),
                    over => format!(
                        "the region begins at {start:#x}, which is not a multiple of {align}: give \
                         {flag} {0:#x}, or {0:#x} more than a multiple of {align}",
                        u64::from(align) - over
                    ),
                };
                Error::new(
                    ExitCode::Range,
                    "not aligned for direct I/O",
                    format_args!("{flag} {value:#x}"),
                    Errno::EINVAL,
                    advice,
                )
            })
        };
        aligned("--offset", span.offset, base, alignment.memory)?;
        aligned("--seek", seek, 0, alignment.offset)?;
        Ok(Self {
            span,
            seek,
            body: span.length - span.length % u64::from(alignment.offset),
        })
    }

    /// Bytes after the body.
    pub fn tail(&self) -> u64 {
        self.span.length - self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const DISK: Alignment = Alignment {
        memory: 4,
        offset: 512,
    };

    #[test]
    fn the_whole_source_without_offset_and_length() {
        let span = Span::new(0, None, 5 * GIB).unwrap();
        assert_eq!((span.offset, span.length), (0, 5 * GIB));
        let span = Span::new(4 * GIB + 1, None, 5 * GIB).unwrap();
        assert_eq!((span.offset, span.length), (4 * GIB + 1, GIB - 1));
    }

    #[test]
    fn what_leaves_the_source_is_refused_with_its_errno() {
        for (offset, length, errno) in [
            (0, Some(0), Errno::EINVAL),
            (GIB, None, Errno::ERANGE),
            (GIB + 1, None, Errno::ERANGE),
            (1, Some(GIB), Errno::ERANGE),
            (0xffff_f000, Some(0x2000), Errno::ERANGE),
            (1, Some(u64::MAX), Errno::EOVERFLOW),
        ] {
            let error = Span::new(offset, length, GIB).unwrap_err();
            assert_eq!((error.code, error.errno), (ExitCode::Range, errno));
        }
    }

    #[test]
    fn an_aligned_span_is_all_body() {
        let span = Span::new(4096, Some(GIB), 2 * GIB).unwrap();
        let plan = Plan::new(span, 8 * GIB, 0xf_c000_0000, DISK).unwrap();
        assert_eq!((plan.body, plan.tail()), (GIB, 0));
    }

    #[test]
    fn the_remainder_is_less_than_a_block() {
        let span = Span::new(0, Some(5 * GIB + 513), 6 * GIB).unwrap();
        let plan = Plan::new(span, 0, 0, DISK).unwrap();
        assert_eq!((plan.body, plan.tail()), (5 * GIB + 512, 1));
        let span = Span::new(0, Some(511), GIB).unwrap();
        assert_eq!(Plan::new(span, 0, 0, DISK).unwrap().body, 0);
    }

    #[test]
    fn a_misaligned_start_names_the_flag_and_the_multiple() {
        let span = Span::new(2, Some(512), GIB).unwrap();
        assert_eq!(
            Plan::new(span, 0, 0, DISK).unwrap_err().to_string(),
            "not aligned for direct I/O: --offset 0x2: EINVAL (22): give a multiple of 4"
        );
        let span = Span::new(4, Some(512), GIB).unwrap();
        assert_eq!(
            Plan::new(span, 100, 0, DISK).unwrap_err().to_string(),
            "not aligned for direct I/O: --seek 0x64: EINVAL (22): give a multiple of 512"
        );
    }

    #[test]
    fn a_base_that_is_not_aligned_is_named_and_not_the_offset() {
        let span = Span::new(0, Some(512), GIB).unwrap();
        assert_eq!(
            Plan::new(span, 0, 0x1000_0001, DISK)
                .unwrap_err()
                .to_string(),
            "not aligned for direct I/O: --offset 0x0: EINVAL (22): the region begins at 0x10000001, \
             which is not a multiple of 4: give --offset 0x3, or 0x3 more than a multiple of 4"
        );
        let span = Span::new(3, Some(512), GIB).unwrap();
        assert!(Plan::new(span, 0, 0x1000_0001, DISK).is_ok());
    }

    #[test]
    fn a_target_offset_beyond_63_bits_is_refused() {
        let span = Span::new(0, Some(512), GIB).unwrap();
        let error = Plan::new(span, u64::MAX - 511, 0, DISK).unwrap_err();
        assert_eq!(error.errno, Errno::EOVERFLOW);
    }
}
