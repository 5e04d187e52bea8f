// SPDX-License-Identifier: MIT

//! Files of a recording, and where in them a byte lies.
//!
//! A recording is a folder. Segment `n` is the file `NNNNNN.seg`, which holds the *places* from `n` times the size
//! of a segment on. With [`Gaps::Hole`] the place of a byte is its offset in the stream, so that nothing shifts;
//! with [`Gaps::Skip`] the places of what is recorded follow each other, and the index has both.
//!
//! Each run of the recorder has an index of its own, `NNNNNN.index`, named for its first segment: what an earlier
//! run has proven is never written to again.

/// What becomes of the bytes that are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gaps {
    /// They are a hole in the file: nothing shifts.
    #[default]
    Hole,
    /// They are left out.
    Skip,
    /// The recording ends before them.
    Stop,
}

/// What a planner has to keep to. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Most bytes of one write, a multiple of `block`.
    pub chunk: u64,
    /// What offsets in memory and in files, and lengths, have to be multiples of: a power of two.
    pub block: u64,
    /// Size of a segment, a multiple of `block`.
    pub segment: u64,
    /// Most writes in flight.
    pub depth: usize,
    /// What becomes of lost bytes.
    pub gaps: Gaps,
}

/// Name of segment `number`.
pub fn segment_name(number: u64) -> String {
    format!("{number:06}.seg")
}

/// Name of the index of the run whose first segment is `number`.
pub fn index_name(number: u64) -> String {
    format!("{number:06}.index")
}

/// The number in the name of a segment or an index, if it is one.
pub fn number(name: &str) -> Option<u64> {
    let digits = name
        .strip_suffix(".seg")
        .or_else(|| name.strip_suffix(".index"))?;
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok()?;
    (plain && format!("{number:06}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_number() {
        assert_eq!(segment_name(7), "000007.seg");
        assert_eq!(index_name(1_234_567), "1234567.index");
        for number in [0, 7, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(super::number(&segment_name(number)), Some(number));
            assert_eq!(super::number(&index_name(number)), Some(number));
        }
        for name in ["7.seg", "0000007.seg", "000007", "+00007.seg", "a.index"] {
            assert_eq!(super::number(name), None, "{name}");
        }
    }
}
