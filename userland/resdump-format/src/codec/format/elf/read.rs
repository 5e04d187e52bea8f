// SPDX-License-Identifier: MIT

//! Reads the headers of a core file, of this program or another.

use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64, ProgramType},
    pod,
    read::elf::{FileHeader, NoteIterator, ProgramHeader as _, SectionHeader as _},
};

use super::{
    super::{
        Contents, Format, RANGES_MAX, Range, ReadAt, Unreadable, bytes_at,
        machine::{Class, Machine},
    },
    NOTE_NAME, NOTE_TYPE, NOTE_TYPE_OLD,
};

/// Bytes of notes that are looked at: this program's is the first, and shorter.
const NOTES_MAX: u64 = 1 << 20;

/// Reads the headers of a file or device of `size` bytes that begins with `head`. `Ok(None)` when it
/// is not ELF.
pub(in super::super) fn detect(
    from: &dyn ReadAt,
    head: &[u8],
    size: u64,
) -> Result<Option<Contents>, Unreadable> {
    if !head.starts_with(&elf::ELFMAG) {
        return Ok(None);
    }
    match (head.get(4), head.get(5)) {
        (Some(1), Some(1 | 2)) => read::<FileHeader32<Endianness>>(from, head, size, Class::Bits32),
        (Some(2), Some(1 | 2)) => read::<FileHeader64<Endianness>>(from, head, size, Class::Bits64),
        _ => Err(Unreadable::Damaged("its ELF header is damaged")),
    }
    .map(Some)
}

fn read<H: FileHeader<Endian = Endianness>>(
    from: &dyn ReadAt,
    head: &[u8],
    size: u64,
    class: Class,
) -> Result<Contents, Unreadable> {
    let damaged = |_| Unreadable::Damaged("its ELF header is damaged");
    let header = H::parse(head).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    if header.e_type(endian) != elf::ET_CORE {
        return Err(Unreadable::Foreign {
            name: "an ELF file, and no core",
            advice: "'resdump convert FILE NEW --to raw --raw' takes its bytes as they are",
        });
    }
    let segments = segments::<H>(from, header, endian)?;
    let is_ours;
    let note;
    match note_of::<H>(from, &segments, endian)? {
        Some(found) => (is_ours, note) = (true, Some(found)),
        None => (is_ours, note) = (false, None),
    }
    let number = header.e_machine(endian);
    let mut contents = Contents {
        format: Format::Elf,
        ranges: Vec::new(),
        machine: (number != elf::EM_NONE).then_some(Machine {
            number,
            endian,
            class,
        }),
        note,
        end: end_of::<H>(from, header, &segments, endian)?,
        ..Contents::raw(0)
    };
    // A program's core has virtual addresses only.
    let loads = || {
        segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
    };
    let is_physical = is_ours
        || loads().any(|segment| segment.p_paddr(endian).into() != 0)
        || loads().all(|segment| segment.p_vaddr(endian).into() == 0)
        || loads().count() == 1;
    for segment in loads() {
        let (at, file) = segment.file_range(endian);
        let memory: u64 = segment.p_memsz(endian).into();
        let base: u64 = segment.p_paddr(endian).into();
        let virt: u64 = segment.p_vaddr(endian).into();
        if memory < file {
            return Err(Unreadable::Damaged(
                "a segment is longer in the file than in memory",
            ));
        }
        // What another program left out of a file is not missing from it.
        let length = if is_ours { memory } else { file };
        contents.left_out = contents.left_out.saturating_add(memory - length);
        if length == 0 {
            continue;
        }
        let leaves = |start: u64, length: u64| start.checked_add(length - 1).is_none();
        if leaves(base, length) || leaves(at, file.max(1)) {
            return Err(Unreadable::Damaged("a segment leaves 64 bits"));
        }
        let old = virt == 0 && is_ours;
        contents.ranges.push(Range {
            base: is_physical.then_some(base),
            virt: (!old && Some(virt) != is_physical.then_some(base)).then_some(virt),
            at,
            length,
            stored: file.min(size.saturating_sub(at)),
        });
    }
    if contents.ranges.is_empty() {
        return Err(Unreadable::Foreign {
            name: "an ELF core without memory in segments",
            advice: "'resdump convert FILE NEW --to raw --raw' takes its bytes as they are",
        });
    }
    Ok(contents)
}

fn segments<H: FileHeader<Endian = Endianness>>(
    from: &dyn ReadAt,
    header: &H,
    endian: Endianness,
) -> Result<Vec<H::ProgramHeader>, Unreadable> {
    const CUT: Unreadable = Unreadable::Damaged("it ends within its ELF headers");
    let entry = size_of::<H::ProgramHeader>();
    let mut count: usize = header.e_phnum(endian).into();
    if count == usize::from(elf::PN_XNUM) {
        let at: u64 = header.e_shoff(endian).into();
        if at == 0 {
            return Err(CUT);
        }
        let bytes = bytes_at(from, at, size_of::<H::SectionHeader>())?;
        let (section, _) = pod::from_bytes::<H::SectionHeader>(&bytes).map_err(|()| CUT)?;
        count = section.sh_info(endian) as usize;
    }
    if count > RANGES_MAX {
        return Err(Unreadable::Damaged("it has more segments than any machine"));
    }
    if count > 0 && usize::from(header.e_phentsize(endian)) != entry {
        return Err(Unreadable::Damaged("its ELF header is damaged"));
    }
    let bytes = bytes_at(from, header.e_phoff(endian).into(), count * entry)?;
    let (segments, _) = pod::slice_from_bytes(&bytes, count).map_err(|()| CUT)?;
    Ok(segments.to_vec())
}

/// Text of this program's own note.
fn note_of<H: FileHeader<Endian = Endianness>>(
    from: &dyn ReadAt,
    segments: &[H::ProgramHeader],
    endian: Endianness,
) -> Result<Option<Vec<u8>>, Unreadable> {
    const NOTE: ProgramType = elf::PT_NOTE;
    for segment in segments.iter().filter(|it| it.p_type(endian) == NOTE) {
        let (at, size) = segment.file_range(endian);
        let bytes = bytes_at(from, at, size.min(NOTES_MAX) as usize)?;
        let Ok(mut notes) = NoteIterator::<H>::new(endian, segment.p_align(endian), &bytes) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            let is_ours = [NOTE_TYPE, NOTE_TYPE_OLD].contains(&note.n_type(endian));
            if is_ours && note.name() == &NOTE_NAME[..NOTE_NAME.len() - 1] {
                return Ok(Some(note.desc().to_vec()));
            }
        }
    }
    Ok(None)
}

/// Where the last of what the headers speak of ends, in segments or sections.
fn end_of<H: FileHeader<Endian = Endianness>>(
    from: &dyn ReadAt,
    header: &H,
    segments: &[H::ProgramHeader],
    endian: Endianness,
) -> Result<u64, Unreadable> {
    let mut end = segments
        .iter()
        .map(|segment| {
            let (at, size) = segment.file_range(endian);
            at.saturating_add(size)
        })
        .max()
        .unwrap_or(0);
    let at: u64 = header.e_shoff(endian).into();
    if at == 0 {
        return Ok(end);
    }
    let entry = size_of::<H::SectionHeader>();
    let count = usize::from(header.e_shnum(endian));
    end = end.max(at.saturating_add((count * entry) as u64));
    let bytes = bytes_at(from, at, count * entry)?;
    if let Ok((sections, _)) = pod::slice_from_bytes::<H::SectionHeader>(&bytes, count) {
        for section in sections {
            if let Some((at, size)) = section.file_range(endian) {
                end = end.max(at.saturating_add(size));
            }
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::{Found, detect},
            Core, DATA_OFFSET, Segment,
        },
        *,
    };

    fn core(class: Class, endian: Endianness) -> Core {
        Core {
            machine: Machine {
                number: elf::EM_PPC,
                endian,
                class,
            },
            segments: vec![
                Segment {
                    physical: 0x1000_0000,
                    virt: 0x1000_0000,
                    at: DATA_OFFSET,
                    length: 8192,
                    stored: 8192,
                },
                Segment {
                    physical: 0x3000_0000,
                    virt: 0xc000_0000,
                    at: DATA_OFFSET + 8192,
                    length: 4096,
                    stored: 100,
                },
            ],
            note: b"{\"region\":\"capture\"}".to_vec(),
        }
    }

    fn found(bytes: &[u8], size: u64) -> Contents {
        match detect(&bytes, size).unwrap() {
            Found::Plain(contents) => contents,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_written_is_read_in_either_byte_order_and_width() {
        for class in [Class::Bits32, Class::Bits64] {
            for endian in [Endianness::Big, Endianness::Little] {
                let core = core(class, endian);
                let header = core.header().unwrap();
                assert_eq!(header.len() as u64, DATA_OFFSET);
                let found = found(&header, 1 << 20);
                assert_eq!(found.machine, Some(core.machine));
                assert_eq!(found.note, Some(core.note.clone()));
                assert_eq!((found.end, found.left_out), (4096 + 8192 + 100, 0));
                let first = Range {
                    base: Some(0x1000_0000),
                    virt: None,
                    at: 4096,
                    length: 8192,
                    stored: 8192,
                };
                let second = Range {
                    base: Some(0x3000_0000),
                    virt: Some(0xc000_0000),
                    at: 4096 + 8192,
                    length: 4096,
                    stored: 100,
                };
                assert_eq!(found.ranges, [first, second]);
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_is_short() {
        let header = core(Class::Bits32, Endianness::Big).header().unwrap();
        let found = found(&header, 5000);
        assert_eq!((found.stored(), found.length()), (904, 12288));
        assert!(detect(&&header[..100], 100).is_err());
        assert!(detect(&&header[..30], 30).is_err());
    }

    #[test]
    fn what_another_program_left_out_is_not_missing() {
        let mut header = core(Class::Bits32, Endianness::Big).header().unwrap();
        let at = header.windows(8).position(|it| it == NOTE_NAME).unwrap();
        header[at] = b'R';
        let found = found(&header, 1 << 20);
        assert_eq!((found.note.as_ref(), found.left_out), (None, 3996));
        assert_eq!(found.stored(), found.length());
    }

    #[test]
    fn segments_that_no_number_can_count_are_refused() {
        let mut core = core(Class::Bits64, Endianness::Little);
        core.segments[0].length = 7 << 60;
        core.segments[0].stored = 7 << 60;
        core.segments.truncate(1);
        let size = u64::MAX;
        assert_eq!(found(&core.header().unwrap(), size).length(), 7 << 60);
        core.segments = [core.segments[0]; 3].to_vec();
        let header = core.header().unwrap();
        assert!(matches!(
            detect(&&header[..], size),
            Err(Unreadable::Damaged(_))
        ));
    }

    #[test]
    fn an_overflowing_count_without_a_section_is_damage() {
        let mut header = core(Class::Bits32, Endianness::Big).header().unwrap();
        header[44..46].copy_from_slice(&elf::PN_XNUM.to_be_bytes());
        assert!(matches!(
            detect(&&header[..], 1 << 20),
            Err(Unreadable::Damaged(_))
        ));
    }

    #[test]
    fn a_note_of_the_old_type_is_read() {
        let mut header = core(Class::Bits32, Endianness::Big).header().unwrap();
        let at = header.windows(8).position(|it| it == NOTE_NAME).unwrap();
        header[at - 4..at].copy_from_slice(&1u32.to_be_bytes());
        assert!(found(&header, 1 << 20).note.is_some());
    }

    #[test]
    fn any_damage_to_the_identification_is_noticed() {
        let header = core(Class::Bits32, Endianness::Big).header().unwrap();
        for at in 4..6 {
            let mut damaged = header.clone();
            damaged[at] = 0xff;
            assert!(detect(&&damaged[..], 1 << 20).is_err(), "byte {at}");
        }
    }
}
