// SPDX-License-Identifier: MIT

//! ELF core files: a segment for each range of memory, and a note, which is JSON, that says what it is.

use object::elf::NoteType;

mod read;
mod write;

pub(super) use read::detect;
pub use write::{Core, NoFit, Segment, header_bytes};

/// What the place of the first byte is a multiple of: of every block size in use, so that the
/// payload goes by direct I/O.
pub const DATA_OFFSET: u64 = 4096;

/// Owner of the note.
const NOTE_NAME: &[u8] = b"resdump\0";

/// Type of the note. Debuggers look at the type before the owner: it is one that no other has
/// ("resd"; 1 is that of registers, NT_PRSTATUS).
const NOTE_TYPE: NoteType = NoteType(0x7265_7364);

/// Type of the note in files of version 0.1.0 and before.
const NOTE_TYPE_OLD: NoteType = NoteType(1);
