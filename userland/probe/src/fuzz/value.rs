// SPDX-License-Identifier: MIT
//! Where arguments come from: mostly from the bounds at which a check can be wrong by one.

use fastrand::Rng;

use super::arena::{LARGER, SMALLER};
use super::commands::commands;

/// What an argument means.
#[derive(Clone, Copy)]
pub enum Class {
    /// One of the thread's open nodes, of those that all share, or none.
    Node,
    /// One of the descriptors to dump to.
    Target,
    /// One of the thread's mappings.
    Map,
    /// Within the region, or about its bounds.
    Offset,
    /// Of a range of the region.
    Length,
    /// A length of a few pages at most.
    Small,
    /// Of a file.
    FileOffset,
    /// Bytes a request.
    Chunk,
    /// Requests in flight.
    Depth,
    /// Flags, of which these are known.
    Bits(u64),
    /// A reserved field.
    Zero,
    /// An index.
    Below(u64),
    /// One of a list, seldom something else.
    Pick(&'static [u64]),
    /// How to open.
    OpenFlags,
    /// An ioctl's number.
    Command,
    /// Memory for data: see [`super::arena`].
    Data,
    /// Memory for an argument.
    Argument,
    /// Memory for a snapshot.
    Place,
    /// Anything.
    Any,
}

/// What values are drawn about.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Bytes of the region.
    pub size: u64,
    /// Bytes of a page.
    pub page: u64,
}

impl Class {
    /// A value.
    pub fn draw(self, rng: &mut Rng, bounds: Bounds) -> u64 {
        let Bounds { size, page } = bounds;
        let odd = rng.u8(..16) == 0;
        match self {
            Class::Node => rng.u64(..16),
            Class::Target | Class::Map => rng.u64(..128),
            Class::Offset => match rng.u8(..16) {
                0..=2 => 0,
                3..=6 => rng.u64(..size) / page * page,
                7..=9 => rng.u64(..size),
                10..=13 => near(rng, &[size, size / page * page, page, size - size % page]),
                _ => extreme(rng),
            },
            Class::Length => match rng.u8(..16) {
                0..=3 => page * rng.u64(1..=4),
                4..=6 => rng.u64(1..=2 * page),
                7..=8 => 512 * rng.u64(1..=64),
                9..=11 => near(rng, &[size, page, 2 * page, 512, 65536]),
                12 => rng.u64(..=size),
                13 => 0,
                _ => extreme(rng),
            },
            Class::Small => rng.u64(..=4 * page),
            Class::FileOffset => match rng.u8(..16) {
                0..=5 => 512 * rng.u64(..256),
                6..=8 => page * rng.u64(..32),
                9..=11 => rng.u64(..0x2_0000),
                12..=13 => near(rng, &[512, page, 0x4_0000]),
                _ => extreme(rng),
            },
            Class::Chunk if odd => rng.u64(..),
            Class::Chunk => *choose(
                rng,
                &[
                    0,
                    0,
                    65536,
                    65536,
                    131_072,
                    1 << 20,
                    64 << 20,
                    65535,
                    128 << 20,
                ],
            ),
            Class::Depth if odd => rng.u64(..),
            Class::Depth => *choose(rng, &[0, 0, 1, 2, 4, 64, 65]),
            Class::Bits(_) if odd => rng.u64(..),
            Class::Bits(known) => rng.u64(..) & known & rng.u64(..),
            Class::Zero if rng.u8(..64) == 0 => rng.u64(..),
            Class::Zero => 0,
            Class::Below(end) => rng.u64(..end),
            Class::Pick(_) if odd => rng.u64(..),
            Class::Pick(list) => *choose(rng, list),
            Class::OpenFlags => open_flags(rng),
            Class::Command => {
                let list = commands(rng.u32(..));
                u64::from(*choose(rng, &list))
            }
            Class::Data | Class::Place => address(rng, page),
            // Of another size, one in four.
            Class::Argument if rng.u8(..4) == 0 => {
                address(rng, page) | rng.u64(LARGER..=SMALLER) << 5
            }
            Class::Argument => address(rng, page),
            Class::Any => match rng.u8(..4) {
                0 => rng.u64(..256),
                1 => 1 << rng.u8(..64),
                _ => extreme(rng),
            },
        }
    }
}

/// A value like `value`, but not quite.
pub fn mutate(rng: &mut Rng, class: Class, value: u64, bounds: Bounds) -> u64 {
    match rng.u8(..8) {
        // An index stays one: it may be a time to wait.
        _ if matches!(class, Class::Below(_)) => class.draw(rng, bounds),
        0 => value ^ 1 << rng.u8(..64),
        1 => value.wrapping_add(1),
        2 => value.wrapping_sub(1),
        3 => value.wrapping_add(bounds.page),
        4 => value.wrapping_sub(bounds.page),
        _ => class.draw(rng, bounds),
    }
}

fn choose<'a, T>(rng: &mut Rng, list: &'a [T]) -> &'a T {
    &list[rng.usize(..list.len())]
}

/// One of the marks, or a little beside it.
fn near(rng: &mut Rng, marks: &[u64]) -> u64 {
    let mark = *choose(rng, marks);
    let beside = *choose(rng, &[0, 0, 1, 2, 4, 77, 511, 512, 4095, 4096]);
    if rng.bool() {
        mark.wrapping_add(beside)
    } else {
        mark.wrapping_sub(beside)
    }
}

/// The ends of what 31, 32, 63 and 64 bits hold, and what a page makes of them.
fn extreme(rng: &mut Rng) -> u64 {
    let marks = [
        0,
        1 << 31,
        1 << 32,
        1 << 44,
        i64::MAX as u64,
        u64::MAX,
        u64::MAX << 12,
        0xffff_f000,
        1 << 63,
    ];
    match rng.u8(..3) {
        0 => rng.u64(..),
        _ => near(rng, &marks),
    }
}

fn open_flags(rng: &mut Rng) -> u64 {
    const MORE: [i32; 13] = [
        libc::O_DIRECT,
        libc::O_APPEND,
        libc::O_NONBLOCK,
        libc::O_TRUNC,
        libc::O_CREAT,
        libc::O_EXCL,
        libc::O_DIRECTORY,
        libc::O_PATH,
        libc::O_SYNC,
        libc::O_NOFOLLOW,
        libc::O_NOATIME,
        libc::O_TMPFILE,
        libc::O_ASYNC,
    ];
    let access = *choose(
        rng,
        &[
            libc::O_RDONLY,
            libc::O_RDONLY,
            libc::O_RDONLY,
            libc::O_RDWR,
            libc::O_RDWR,
            libc::O_RDWR,
            libc::O_WRONLY,
            3,
        ],
    );
    let more = if rng.u8(..8) == 0 {
        *choose(rng, &MORE)
    } else {
        0
    };
    u64::from((access | more).cast_unsigned())
}

/// Which memory in the low byte, where in it above.
fn address(rng: &mut Rng, page: u64) -> u64 {
    // The first ones are bad.
    let place = match rng.u8(..8) {
        0 => rng.u64(..8),
        _ => rng.u64(8..32),
    };
    let delta = match rng.u8(..4) {
        0 => rng.u64(..64),
        1 => near(rng, &[page, 2 * page]) & 0xffff,
        2 => rng.u64(..0x1_0000),
        _ => 0,
    };
    delta << 8 | place
}
