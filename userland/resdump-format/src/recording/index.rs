// SPDX-License-Identifier: MIT

//! The index of a recording: records of 128 bytes that are appended and never written to again.
//!
//! Each has a checksum, the number of the run that wrote it, and a sequence number, so that what stood in the same
//! blocks before is not taken for a record. What is written at a time is filled up to whole blocks of the disk: a
//! block that has reached the medium is never part of a later write. A record of bytes is written after those bytes
//! were flushed, so after a power cut everything up to the first bad record is proven, and nothing behind it.
//!
//! Size, checksum and the place of the version are those of every version, so that a later one is not taken for damage.

mod read;
mod record;
mod write;

pub use read::{Entry, Reader};
pub use record::{Origin, Record, State};
pub use write::Writer;

/// Bytes of a record.
pub const RECORD: usize = 128;

use crc::{CRC_32_ISCSI, Crc, NoTable};

/// CRC-32C, without a table: an index has a few records a second.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);
