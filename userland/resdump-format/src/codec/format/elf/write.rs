// SPDX-License-Identifier: MIT

//! Writes the headers of a core file.

use std::fmt;

use object::{
    Endianness, elf,
    write::elf::{Encoder, FileHeader as Header, FileHeaderLayout, ProgramHeader},
};

use super::{
    super::machine::{Class, Machine},
    DATA_OFFSET, NOTE_NAME, NOTE_TYPE,
};

/// A core file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The machine whose memory it is.
    pub machine: Machine,
    /// The memory.
    pub segments: Vec<Segment>,
    /// Text of the note.
    pub note: Vec<u8>,
}

/// A range of memory in a core file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical address of the first byte.
    pub physical: u64,
    /// Where a debugger has it: at its physical address, unless another program knew better.
    pub virt: u64,
    /// Where it is in the file.
    pub at: u64,
    /// Bytes that were to be dumped.
    pub length: u64,
    /// Bytes that are in the file.
    pub stored: u64,
}

/// What does not fit into the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFit {
    /// A number that needs 64 bits.
    Width(u64),
    /// More than 65,534 segments.
    Segments(usize),
    /// Headers of so many bytes, before the first segment.
    Room(u64),
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width(number) => write!(f, "{number:#x} does not fit 32 bits: give --class 64"),
            Self::Segments(count) => write!(f, "ELF has no room for {count} ranges"),
            Self::Room(bytes) => write!(f, "its headers need {bytes} bytes"),
        }
    }
}

fn encoder(machine: Machine) -> Encoder<Endianness> {
    let is_64 = machine.class == Class::Bits64;
    Encoder::new(machine.endian, is_64, machine.number)
}

/// Bytes of headers for so many segments and a note of `note` bytes, whole blocks of
/// [`DATA_OFFSET`]: where the first segment may begin.
pub fn header_bytes(machine: Machine, segments: usize, note: usize) -> u64 {
    let encoder = encoder(machine);
    let headers =
        encoder.file_header_size() + (1 + segments as u64) * encoder.program_header_size();
    let note = (12 + NOTE_NAME.len() + note).next_multiple_of(4);
    (headers + note as u64).next_multiple_of(DATA_OFFSET)
}

impl Core {
    /// Whether addresses, lengths and places in the file fit 32 bits.
    pub fn fits_32(&self) -> Result<(), NoFit> {
        for segment in &self.segments {
            let Segment {
                physical,
                virt,
                at,
                length,
                ..
            } = *segment;
            for start in [physical, virt, at] {
                let last = start.saturating_add(length.saturating_sub(1));
                if last.max(length) > u32::MAX.into() {
                    return Err(NoFit::Width(last.max(length)));
                }
            }
        }
        Ok(())
    }

    /// All that comes before the first segment.
    pub fn header(&self) -> Result<Vec<u8>, NoFit> {
        if self.machine.class == Class::Bits32 {
            self.fits_32()?;
        }
        let first = self.segments.iter().map(|segment| segment.at).min();
        let needed = header_bytes(self.machine, self.segments.len(), self.note.len());
        let room = first.unwrap_or(needed);
        let encoder = encoder(self.machine);
        let e_phoff = encoder.file_header_size();
        let mut bytes = Vec::new();
        let layout = FileHeaderLayout {
            e_phoff,
            segment_num: 1 + self.segments.len() as u32,
            e_shoff: 0,
            section_num: 0,
            shstrtab_index: 0,
        };
        let header = Header {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_CORE,
            e_machine: self.machine.number,
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        };
        if self.segments.len() >= usize::from(elf::PN_XNUM) - 1
            || encoder.file_header(&mut bytes, &header, &layout).is_err()
        {
            return Err(NoFit::Segments(self.segments.len()));
        }
        let note = self.note();
        let size = note.len() as u64;
        let headers = (1 + self.segments.len() as u64) * encoder.program_header_size();
        let first = ProgramHeader {
            p_type: elf::PT_NOTE,
            p_flags: elf::ProgramFlags(0),
            p_offset: e_phoff + headers,
            p_vaddr: 0,
            p_paddr: 0,
            p_filesz: size,
            p_memsz: size,
            p_align: 4,
        };
        encoder.program_header(&mut bytes, &first);
        for segment in &self.segments {
            encoder.program_header(&mut bytes, &load(segment));
        }
        bytes.extend(note);
        if bytes.len() as u64 > room {
            return Err(NoFit::Room(bytes.len() as u64));
        }
        bytes.resize(room as usize, 0);
        Ok(bytes)
    }

    fn note(&self) -> Vec<u8> {
        let word = |value: u32| match self.machine.endian {
            Endianness::Big => value.to_be_bytes(),
            Endianness::Little => value.to_le_bytes(),
        };
        let mut note = [
            word(NOTE_NAME.len() as u32),
            word(self.note.len() as u32),
            word(NOTE_TYPE.0),
        ]
        .concat();
        note.extend(NOTE_NAME);
        note.extend(&self.note);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }
}

fn load(segment: &Segment) -> ProgramHeader {
    // Readers that map a file want address and place to be congruent, where an alignment is given.
    let is_aligned = segment.virt % DATA_OFFSET == segment.at % DATA_OFFSET;
    ProgramHeader {
        p_type: elf::PT_LOAD,
        p_flags: elf::PF_R,
        p_offset: segment.at,
        p_vaddr: segment.virt,
        p_paddr: segment.physical,
        p_filesz: segment.stored,
        p_memsz: segment.length,
        p_align: if is_aligned { DATA_OFFSET } else { 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(class: Class, physical: u64) -> Core {
        Core {
            machine: Machine {
                number: elf::EM_PPC,
                endian: Endianness::Big,
                class,
            },
            segments: vec![Segment {
                physical,
                virt: physical,
                at: DATA_OFFSET,
                length: 8192,
                stored: 8192,
            }],
            note: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_board_with_32_bits_gets_32_bit_headers_in_its_own_byte_order() {
        let header = core(Class::Bits32, 0x1000_0000).header().unwrap();
        assert_eq!(header[..6], [0x7f, b'E', b'L', b'F', 1, 2]);
        // e_type CORE, e_machine PPC.
        assert_eq!(header[16..20], [0, 4, 0, 20]);
        // p_vaddr and p_paddr of the second program header.
        let load = 52 + 32;
        assert_eq!(header[load + 8..load + 12], 0x1000_0000u32.to_be_bytes());
        assert_eq!(header[load + 12..load + 16], 0x1000_0000u32.to_be_bytes());
    }

    #[test]
    fn what_needs_64_bits_is_not_cut_to_32() {
        for (physical, fits) in [
            (0xffff_e000, true),
            (0xffff_f000, false),
            (0xf_c000_0000, false),
        ] {
            let core = core(Class::Bits32, physical);
            assert_eq!(core.header().is_ok(), fits, "{physical:#x}");
            assert_eq!(core.fits_32().is_ok(), fits);
        }
        assert!(core(Class::Bits64, 0xf_c000_0000).header().is_ok());
    }

    #[test]
    fn a_long_note_makes_the_headers_longer_and_is_not_cut() {
        let mut core = core(Class::Bits32, 0);
        core.note = vec![b'x'; 10_000];
        assert!(matches!(core.header(), Err(NoFit::Room(_))));
        let bytes = header_bytes(core.machine, 1, core.note.len());
        assert_eq!(bytes, 12288);
        core.segments[0].at = bytes;
        assert_eq!(core.header().unwrap().len(), 12288);
    }

    #[test]
    fn more_segments_than_elf_has_room_for_are_refused() {
        let mut core = core(Class::Bits32, 0);
        core.segments = vec![core.segments[0]; 65_535];
        for segment in &mut core.segments {
            segment.at = 1 << 24;
        }
        assert!(matches!(core.header(), Err(NoFit::Segments(65_535))));
    }
}
