// SPDX-License-Identifier: MIT
//! Memory of one thread that calls are given addresses in: good ones and bad ones. Each part is followed by
//! memory that may not be touched, so that whatever goes beyond its end is seen.

use super::sys;

/// Bytes of a part that data goes to.
pub const DATA: usize = 128 << 10;
/// Bytes of a part that a snapshot goes to.
pub const SNAPSHOT: usize = 320 << 10;
/// Parts for snapshots, the last one for nodes that several threads use.
pub const SNAPSHOTS: usize = 7;
/// Bytes for mappings at addresses of the fuzzer's choice.
pub const FIXED: usize = 1 << 20;
/// What is in memory that nothing was written to. A region may hold it.
pub const MARK: u8 = 0x5a;

/// How an argument's size differs from the module's, in three bits of what it is drawn as.
pub const LARGER: u64 = 5;
/// The same, with something that is not zero behind what the module knows.
pub const TAIL: u64 = 6;
/// It is smaller than the first release knew it.
pub const SMALLER: u64 = 7;

const GAP: usize = 64 << 10;
const PAGES: usize = 64 << 10;

/// A piece of the address space.
pub struct Arena {
    data: usize,
    argument: usize,
    read_only: usize,
    snapshots: usize,
    fixed: usize,
}

/// An address that an argument stands for.
#[derive(Clone, Copy)]
pub struct Place {
    /// The address.
    pub address: usize,
    /// So many bytes from there on can be written to; 0 when that is not known.
    pub room: usize,
    /// Bytes that an argument says that it has.
    pub size: usize,
    /// For signatures.
    pub sort: u64,
}

impl Place {
    /// What the ABI says of an argument of this size, whatever is in it, if its structure has `known` bytes
    /// and a command reads it.
    pub fn refusal(&self, known: usize) -> Option<i32> {
        match self.size {
            size if size < known => Some(libc::EINVAL),
            _ if self.room >= self.size && self.sort >> 4 == TAIL => Some(libc::E2BIG),
            _ => None,
        }
    }
}

impl Arena {
    /// Makes one.
    pub fn new() -> Result<Self, i32> {
        let none = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let parts = [DATA, PAGES, PAGES, SNAPSHOTS * (SNAPSHOT + GAP), FIXED];
        let total = parts.iter().map(|part| part + GAP).sum();
        let mut at = sys::mmap(0, total, libc::PROT_NONE, none, -1, 0)?;
        let [data, argument, read_only, snapshots, fixed] = parts.map(|part| {
            let start = at;
            at += part + GAP;
            start
        });
        let arena = Self {
            data,
            argument,
            read_only,
            snapshots,
            fixed,
        };
        let writable = |start, length| {
            let flags = none | libc::MAP_FIXED;
            sys::mmap(
                start,
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        writable(data, DATA)?;
        writable(argument, PAGES)?;
        writable(read_only, PAGES)?;
        for index in 0..SNAPSHOTS {
            writable(arena.snapshot(index), SNAPSHOT)?;
        }
        // All of it, so that no page comes later, which would look like memory that is lost.
        for (start, length) in [(data, DATA), (argument, PAGES), (read_only, PAGES)] {
            bytes_mut(start, length).fill(MARK);
        }
        for index in 0..SNAPSHOTS {
            bytes_mut(arena.snapshot(index), SNAPSHOT).fill(MARK);
        }
        let pages = std::ptr::without_provenance_mut(read_only);
        // SAFETY: The pages are ours.
        sys::called(unsafe { libc::mprotect(pages, PAGES, libc::PROT_READ) })?;
        Ok(arena)
    }

    /// Memory for data: `argument` as `Class::Data` draws it.
    pub fn data(&self, argument: u64) -> Place {
        let delta = (argument >> 8) as usize;
        let (address, room) = match argument & 31 {
            0 | 1 => (self.data + DATA - delta % 64, delta % 64),
            2 => (self.read_only + delta % PAGES, 0),
            3 => (self.data + DATA + delta % GAP, 0),
            4 => (delta % 4096, 0),
            5 => (kernel(delta), 0),
            6 => (usize::MAX - delta % 65536, 0),
            _ => (self.data + delta % DATA, DATA - delta % DATA),
        };
        Place {
            address,
            room,
            size: 0,
            sort: (argument & 31).min(7),
        }
    }

    /// Memory for an argument of the ABI, with `content` in it as far as it is ours. It may say that it is
    /// larger, with zeroes behind what the module knows or with something else, or smaller.
    pub fn argument(&self, argument: u64, content: &[u8]) -> Place {
        let (known, delta) = (content.len(), (argument >> 8) as usize);
        let resize = argument >> 5 & 7;
        let size = match resize {
            LARGER | TAIL => known + 1 + delta % 128,
            SMALLER => known - 1 - delta % known,
            _ => known,
        };
        let mut content = content.to_vec();
        content.resize(size, 0);
        if resize == TAIL {
            content[known + delta % (size - known)] = 1;
        }
        let end = self.argument + PAGES;
        let (address, room) = match argument & 31 {
            0 => (end - size, size),
            1 if size > 0 => (end - size + 1 + delta % size, size - 1 - delta % size),
            2 => (self.read_only, 0),
            3 => (end + delta % GAP, 0),
            4 => (delta % 4096, 0),
            5 => (kernel(delta), 0),
            6 => (usize::MAX - delta % 65536, 0),
            7 => (self.argument + delta % 8, size),
            _ => (self.argument, size),
        };
        if room > 0 {
            bytes_mut(address, room).copy_from_slice(&content[..room]);
        }
        Place {
            address,
            room,
            size,
            sort: (argument & 31).min(8) | resize.max(LARGER - 1) << 4,
        }
    }

    /// Start of the part for snapshot `index`.
    pub fn snapshot(&self, index: usize) -> usize {
        self.snapshots + index * (SNAPSHOT + GAP)
    }

    /// Start of the part for mappings.
    pub fn fixed(&self) -> usize {
        self.fixed
    }
}

/// Bytes at an address that is known to be ours, readable and writable.
pub fn bytes_mut<'a>(address: usize, length: usize) -> &'a mut [u8] {
    let start = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: Callers name parts of their own thread's arena, one at a time.
    unsafe { std::slice::from_raw_parts_mut(start, length) }
}

/// An address of the kernel's.
fn kernel(delta: usize) -> usize {
    if cfg!(target_pointer_width = "32") {
        0xc000_0000 + (delta << 8)
    } else {
        usize::MAX / 2 + 1 + (delta << 12)
    }
}
