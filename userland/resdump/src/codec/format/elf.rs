// SPDX-License-Identifier: MIT

//! An ELF core file with one segment: the region at its physical address, and a note, which is JSON,
//! that says what it is.

use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64, FileType, Machine},
    read::elf::{FileHeader, ProgramHeader as _},
    write::elf::{Encoder, FileHeader as Header, FileHeaderLayout, ProgramHeader},
};

/// Bytes before the payload, at least: a multiple of every block size in use, so that the payload
/// goes by direct I/O.
pub const DATA_OFFSET: u64 = 4096;

/// Bytes of the note's text, at most: all headers fit before [`DATA_OFFSET`].
pub const NOTE_MAX: usize = 3072;

/// Owner of the note.
const NOTE_NAME: &[u8] = b"resdump\0";

/// Type of the note: its text is JSON.
const NOTE_TYPE: u32 = 1;

/// What the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Byte order of the headers: that of the machine whose memory it is.
    pub endian: Endianness,
    /// That machine.
    pub machine: Machine,
    /// Physical address of the first byte.
    pub base: u64,
    /// Bytes that were to be dumped.
    pub length: u64,
    /// Bytes that are in the file.
    pub stored: u64,
    /// Where they are in the file.
    pub data_offset: u64,
    /// Text of the note.
    pub note: Vec<u8>,
}

/// The machine that this program runs on, as ELF numbers it.
pub fn native_machine() -> Machine {
    if cfg!(target_arch = "powerpc") {
        elf::EM_PPC
    } else if cfg!(target_arch = "powerpc64") {
        elf::EM_PPC64
    } else if cfg!(target_arch = "x86_64") {
        elf::EM_X86_64
    } else if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64
    } else {
        elf::EM_NONE
    }
}

/// The byte order of the machine that this program runs on.
pub fn native_endian() -> Endianness {
    if cfg!(target_endian = "big") {
        Endianness::Big
    } else {
        Endianness::Little
    }
}

/// All that comes before the payload: `image.data_offset` bytes.
pub fn header(image: &Image) -> Vec<u8> {
    // 32-bit debuggers want 32-bit headers; more bits only where they are needed.
    let top = |start: u64| start.saturating_add(image.length);
    let is_64 = top(image.base).max(top(image.data_offset)) > u32::MAX.into();
    let encoder = Encoder::new(image.endian, is_64, image.machine);
    let note = note(image);
    let e_phoff = encoder.file_header_size();
    let note_offset = e_phoff + 2 * encoder.program_header_size();

    let mut bytes = Vec::new();
    let written = encoder.file_header(
        &mut bytes,
        &Header {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_CORE,
            e_machine: image.machine,
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        },
        &FileHeaderLayout {
            e_phoff,
            segment_num: 2,
            e_shoff: 0,
            section_num: 0,
            shstrtab_index: 0,
        },
    );
    debug_assert!(written.is_ok(), "two segments do not overflow");
    let segment = |p_type, p_flags, p_offset, p_paddr, p_filesz, p_memsz, p_align| ProgramHeader {
        p_type,
        p_flags,
        p_offset,
        p_vaddr: 0,
        p_paddr,
        p_filesz,
        p_memsz,
        p_align,
    };
    let size = note.len() as u64;
    encoder.program_header(
        &mut bytes,
        &segment(
            elf::PT_NOTE,
            elf::ProgramFlags(0),
            note_offset,
            0,
            size,
            size,
            4,
        ),
    );
    encoder.program_header(
        &mut bytes,
        &segment(
            elf::PT_LOAD,
            elf::PF_R,
            image.data_offset,
            image.base,
            image.stored,
            image.length,
            DATA_OFFSET,
        ),
    );
    bytes.extend(note);
    bytes.resize(image.data_offset as usize, 0);
    bytes
}

fn note(image: &Image) -> Vec<u8> {
    let text = &image.note[..image.note.len().min(NOTE_MAX)];
    let word = |value: u32| match image.endian {
        Endianness::Big => value.to_be_bytes(),
        Endianness::Little => value.to_le_bytes(),
    };
    let mut note = [
        word(NOTE_NAME.len() as u32),
        word(text.len() as u32),
        word(NOTE_TYPE),
    ]
    .concat();
    note.extend(NOTE_NAME);
    note.extend(text);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// Reads the headers at the start of a file. `None` for what this program has not written.
pub fn parse(head: &[u8]) -> Option<Image> {
    if head.get(..4)? != b"\x7fELF" {
        return None;
    }
    match *head.get(4)? {
        1 => parse_as::<FileHeader32<Endianness>>(head),
        2 => parse_as::<FileHeader64<Endianness>>(head),
        _ => None,
    }
}

fn parse_as<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Image> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    if header.e_type(endian) != CORE {
        return None;
    }
    let segments = header.program_headers(endian, head).ok()?;
    let mut note = None;
    for segment in segments {
        let Ok(Some(mut notes)) = segment.notes(endian, head) else {
            continue;
        };
        while let Ok(Some(found)) = notes.next() {
            if found.name() == &NOTE_NAME[..NOTE_NAME.len() - 1] {
                note = Some(found.desc().to_vec());
            }
        }
    }
    let load = segments
        .iter()
        .find(|segment| segment.p_type(endian) == elf::PT_LOAD)?;
    Some(Image {
        endian,
        machine: header.e_machine(endian),
        base: load.p_paddr(endian).into(),
        length: load.p_memsz(endian).into(),
        stored: load.p_filesz(endian).into(),
        data_offset: load.p_offset(endian).into(),
        note: note?,
    })
}

const CORE: FileType = elf::ET_CORE;

#[cfg(test)]
mod tests {
    use super::*;

    fn image(base: u64, endian: Endianness) -> Image {
        Image {
            endian,
            machine: elf::EM_PPC,
            base,
            length: 0x10_0000,
            stored: 0x8_0000,
            data_offset: DATA_OFFSET,
            note: b"{\"region\":\"capture\"}".to_vec(),
        }
    }

    #[test]
    fn what_was_written_is_read_in_either_byte_order_and_width() {
        for endian in [Endianness::Big, Endianness::Little] {
            for base in [0x1000_0000, 0xffff_0000, 0xf_c000_0000] {
                let image = image(base, endian);
                let header = header(&image);
                assert_eq!(header.len() as u64, DATA_OFFSET);
                assert_eq!(parse(&header), Some(image));
            }
        }
    }

    #[test]
    fn a_board_with_32_bits_gets_32_bit_headers_in_its_own_byte_order() {
        let header = header(&image(0x1000_0000, Endianness::Big));
        assert_eq!(header[..6], [0x7f, b'E', b'L', b'F', 1, 2]);
        // e_type CORE, e_machine PPC.
        assert_eq!(header[16..20], [0, 4, 0, 20]);
        let high = super::header(&image(0xf_c000_0000, Endianness::Little));
        assert_eq!(high[..6], [0x7f, b'E', b'L', b'F', 2, 1]);
        assert_eq!(high[16..20], [4, 0, 20, 0]);
    }

    #[test]
    fn a_core_of_another_program_is_not_taken_for_a_dump() {
        let mut header = header(&image(0x1000_0000, Endianness::Big));
        let at = header
            .windows(NOTE_NAME.len())
            .position(|bytes| bytes == NOTE_NAME)
            .unwrap();
        header[at] = b'R';
        assert_eq!(parse(&header), None);
        assert_eq!(parse(b"\x7fELF"), None);
        assert_eq!(parse(&[0; 4096]), None);
    }

    #[test]
    fn a_note_that_is_too_long_is_cut() {
        let mut image = image(0, Endianness::Big);
        image.note = vec![b'x'; 10_000];
        let header = header(&image);
        assert_eq!(header.len() as u64, DATA_OFFSET);
        assert_eq!(parse(&header).unwrap().note.len(), NOTE_MAX);
    }
}
