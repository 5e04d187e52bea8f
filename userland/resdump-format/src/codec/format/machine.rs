// SPDX-License-Identifier: MIT

//! Machines, as `uname -m` and as ELF names them.

use object::{Endianness, elf};

/// Width of the headers of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Class {
    /// Addresses of 32 bits
    #[cfg_attr(feature = "clap", value(name = "32"))]
    Bits32,
    /// Addresses of 64 bits
    #[cfg_attr(feature = "clap", value(name = "64"))]
    Bits64,
}

/// A byte order, as `--endian` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Endian {
    /// Most significant byte first
    Big,
    /// Least significant byte first
    Little,
}

impl From<Endian> for Endianness {
    fn from(endian: Endian) -> Self {
        match endian {
            Endian::Big => Self::Big,
            Endian::Little => Self::Little,
        }
    }
}

/// The machine that a dump is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// As ELF numbers it.
    pub number: elf::Machine,
    /// Its byte order.
    pub endian: Endianness,
    /// Width of its addresses.
    pub class: Class,
}

use Class::{Bits32, Bits64};
use Endianness::{Big, Little};

/// Name, number, width, byte order if it has one only.
const KNOWN: &[(&str, elf::Machine, Class, Option<Endianness>)] = &[
    ("ppc", elf::EM_PPC, Bits32, Some(Big)),
    ("ppc64", elf::EM_PPC64, Bits64, Some(Big)),
    ("ppc64le", elf::EM_PPC64, Bits64, Some(Little)),
    ("x86_64", elf::EM_X86_64, Bits64, Some(Little)),
    ("i386", elf::EM_386, Bits32, Some(Little)),
    ("i486", elf::EM_386, Bits32, Some(Little)),
    ("i586", elf::EM_386, Bits32, Some(Little)),
    ("i686", elf::EM_386, Bits32, Some(Little)),
    ("aarch64", elf::EM_AARCH64, Bits64, Some(Little)),
    ("aarch64_be", elf::EM_AARCH64, Bits64, Some(Big)),
    ("arm", elf::EM_ARM, Bits32, Some(Little)),
    ("armv5tejl", elf::EM_ARM, Bits32, Some(Little)),
    ("armv6l", elf::EM_ARM, Bits32, Some(Little)),
    ("armv7l", elf::EM_ARM, Bits32, Some(Little)),
    ("armv8l", elf::EM_ARM, Bits32, Some(Little)),
    ("armv7b", elf::EM_ARM, Bits32, Some(Big)),
    ("mips", elf::EM_MIPS, Bits32, None),
    ("mips64", elf::EM_MIPS, Bits64, None),
    ("riscv32", elf::EM_RISCV, Bits32, Some(Little)),
    ("riscv64", elf::EM_RISCV, Bits64, Some(Little)),
    ("s390x", elf::EM_S390, Bits64, Some(Big)),
    ("loongarch64", elf::EM_LOONGARCH, Bits64, Some(Little)),
    ("m68k", elf::EM_68K, Bits32, Some(Big)),
    ("sparc64", elf::EM_SPARCV9, Bits64, Some(Big)),
];

impl Machine {
    /// What `uname -m` calls `name`, with the byte order `endian` where that is known. `None` for a
    /// name that is not known, or that does not tell the byte order.
    pub fn named(name: &str, endian: Option<Endianness>) -> Option<Self> {
        let (_, number, class, own) = KNOWN.iter().find(|(known, ..)| *known == name)?;
        Some(Self {
            number: *number,
            endian: endian.or(*own)?,
            class: *class,
        })
    }

    /// What `uname -m` calls it, if that is known.
    pub fn name(self) -> Option<&'static str> {
        let fits = |class: Class, endian: Option<Endianness>| {
            class == self.class && endian.is_none_or(|endian| endian == self.endian)
        };
        let same = || {
            KNOWN
                .iter()
                .filter(|(_, number, ..)| *number == self.number)
        };
        same()
            .find(|(.., class, endian)| fits(*class, *endian))
            // The width of headers can be chosen.
            .or_else(|| same().find(|(.., endian)| endian.is_none_or(|it| it == self.endian)))
            .map(|(name, ..)| *name)
    }

    /// The names that are known, one for each machine of ELF's.
    pub fn names() -> String {
        let mut names: Vec<&str> = Vec::new();
        let mut last = elf::EM_NONE;
        for (name, number, ..) in KNOWN {
            if *number != last || name.contains("64") {
                names.push(name);
            }
            last = *number;
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_of_ours_is_known_and_what_is_not_known_is_not_made_up() {
        let board = Machine::named("ppc", Some(Big)).unwrap();
        assert_eq!(
            (board.number, board.endian, board.class),
            (elf::EM_PPC, Big, Bits32)
        );
        assert_eq!(Machine::named("ppc", None), Some(board));
        assert_eq!(Machine::named("mips", None), None);
        assert_eq!(Machine::named("pdp11", Some(Little)), None);
        assert_eq!(Machine::named("", None), None);
    }

    #[test]
    fn a_machine_has_its_name_in_either_width_of_headers() {
        let mut board = Machine::named("ppc", None).unwrap();
        assert_eq!(board.name(), Some("ppc"));
        board.class = Bits64;
        assert_eq!(board.name(), Some("ppc"));
        for (name, _, _, endian) in KNOWN {
            let machine = Machine::named(name, endian.or(Some(Big))).unwrap();
            let again = Machine::named(machine.name().unwrap(), Some(machine.endian));
            assert_eq!(again, Some(machine));
        }
    }

    #[test]
    fn this_machine_is_known() {
        let name = std::process::Command::new("uname").arg("-m").output();
        let name = String::from_utf8(name.unwrap().stdout).unwrap();
        assert!(Machine::named(name.trim(), None).is_some(), "{name}");
    }
}
