// SPDX-License-Identifier: MIT

//! The first bytes of files that are not memory as it was: compressed files, and dumps of other
//! programs that this one does not read.

use super::super::compression::Compression;

/// Bytes that are looked at.
pub(super) const LENGTH: usize = 64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Compressed in a way that this program undoes.
    Packed(Compression),
    /// Something else.
    Foreign {
        /// What it is.
        name: &'static str,
        /// What to do.
        advice: &'static str,
    },
}

const UNPACK: &str = "unpack it first";
const KDUMP: &str = "makedumpfile or crash reads it";
const VOLATILITY: &str = "Volatility reads it";
const QEMU_IMG: &str = "make it raw first, with qemu-img convert";

/// Text at the start, what it is of, what to do.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (
        b"\x1f\x8b\x08",
        "compressed by gzip",
        "unpack it first, with gzip -d",
    ),
    (
        b"\xfd7zXZ\0",
        "compressed by xz",
        "unpack it first, with xz -d",
    ),
    (
        b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff",
        "compressed by lzma",
        UNPACK,
    ),
    (b"\xff\x06\0\0sNaPpY", "compressed by snappy", UNPACK),
    (b"\x89LZO\0\r\n\x1a\n", "compressed by lzop", UNPACK),
    (b"LZIP\x01", "compressed by lzip", UNPACK),
    (
        b"\x02\x21\x4c\x18",
        "compressed by lz4 in its old format",
        "unpack it first, with lz4 -d",
    ),
    (b"PK\x03\x04", "a zip archive, or AFF4", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (
        b"AVML\x02\0\0\0",
        "AVML's, or LiME's version 2, compressed by snappy",
        "make LiME of it first, with 'avml convert --format lime'",
    ),
    (
        b"EMiL\x02\0\0\0",
        "LiME's version 2",
        "make LiME's version 1 of it first, with 'avml convert --format lime'",
    ),
    (
        b"KDUMP   ",
        "kdump's compressed format",
        "make an ELF core of it first, with makedumpfile -E",
    ),
    (b"DISKDUMP", "diskdump's format", KDUMP),
    (
        b"makedumpfile\0\0\0\0",
        "makedumpfile's flattened format",
        "put it together first, with makedumpfile -R",
    ),
    (b"\xed\x23\x8f\x61\x73\x01\x19\xa8", "LKCD's format", KDUMP),
    (b"\xa8\x19\x01\x73\x61\x8f\x23\xed", "LKCD's format", KDUMP),
    (b"PAGEDUMP", "a crash dump of Windows", VOLATILITY),
    (b"PAGEDU64", "a crash dump of Windows", VOLATILITY),
    (b"MDMP\x93\xa7", "a minidump of Windows", VOLATILITY),
    (b"HPAK", "HBGary's HPAK", VOLATILITY),
    (b"\xd0\xbe\xd2\xbe", "a snapshot of VMware", VOLATILITY),
    (b"\xd1\xba\xd1\xba", "a snapshot of VMware", VOLATILITY),
    (b"\xd2\xbe\xd2\xbe", "a snapshot of VMware", VOLATILITY),
    (b"\xd3\xbe\xd3\xbe", "a snapshot of VMware", VOLATILITY),
    (b"QFI\xfb", "an image of QEMU (qcow)", QEMU_IMG),
    (b"KDMV", "an image of VMware (vmdk)", QEMU_IMG),
    (b"vhdxfile", "an image of Hyper-V (vhdx)", QEMU_IMG),
    (
        b"QEVM",
        "a saved state of QEMU",
        "use QEMU's dump-guest-memory instead",
    ),
    (b"EVF\x09\x0d\x0a\xff\0", "EnCase's format", UNPACK),
    (b"EVF2\x0d\x0a\x81\0", "EnCase's format", UNPACK),
    (b"AFF10\r\n\0", "AFF", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"LRZI", "compressed by lrzip", UNPACK),
    (
        b"LibvirtQemudSave",
        "a saved state of libvirt",
        "use 'virsh dump --memory-only' instead",
    ),
    (b"hibr", "a hibernation file of Windows", VOLATILITY),
    (b"HIBR", "a hibernation file of Windows", VOLATILITY),
    (
        b"\x3a\xff\x26\xed",
        "a sparse image of Android",
        "make it raw first, with simg2img",
    ),
];

/// The file that begins with `head`, if it is of a kind that is known.
pub(super) fn of(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"\x28\xb5\x2f\xfd") {
        return Some(Kind::Packed(Compression::Zstd));
    }
    if is_skippable(head) {
        return Some(Kind::Foreign {
            name: "compressed by zstd or lz4, with a frame to be skipped at its start",
            advice: "unpack it first, with zstd -d or lz4 -d",
        });
    }
    if head.starts_with(b"\x04\x22\x4d\x18") {
        return Some(Kind::Packed(Compression::Lz4));
    }
    if is_bzip2(head) {
        return Some(Kind::Foreign {
            name: "compressed by bzip2",
            advice: "unpack it first, with bzip2 -d",
        });
    }
    FOREIGN
        .iter()
        .find(|(magic, ..)| head.starts_with(magic))
        .map(|(_, name, advice)| Kind::Foreign { name, advice })
}

/// A frame that zstd and lz4 pass over; pzstd begins its files with one.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The magic of bzip2 alone is a word that memory may begin with.
fn is_bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh")
        && matches!(head.get(3), Some(b'1'..=b'9'))
        && (head[4..].starts_with(b"\x31\x41\x59\x26\x53\x59")
            || head[4..].starts_with(b"\x17\x72\x45\x38\x50\x90"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_own_magic() {
        for (magic, name, _) in FOREIGN {
            assert!(magic.len() <= LENGTH);
            match of(magic) {
                Some(Kind::Foreign { name: found, .. }) => assert_eq!(found, *name),
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(of(&magic[..magic.len() - 1]), None, "{name}, cut");
        }
    }

    #[test]
    fn what_this_program_packs_is_known() {
        for compression in [Compression::Zstd, Compression::Lz4] {
            let packed = compression.pack(&[7; 5000]).unwrap();
            assert_eq!(of(&packed), Some(Kind::Packed(compression)));
        }
    }
}
