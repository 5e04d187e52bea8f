// SPDX-License-Identifier: MIT
//! The keys of board.conf, each with its type and its meaning.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::lines::Given;

/// What can be the value of a key.
pub(crate) trait Field: Sized {
    /// From the text, if the key is given; an error says what is wrong with it.
    fn of(text: Option<&str>) -> Result<Self, &'static str>;
}

impl Field for String {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        text.map(str::to_owned).ok_or("is missing")
    }
}

impl Field for Option<String> {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        Ok(text.map(str::to_owned))
    }
}

impl Field for Vec<String> {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        let words = text.unwrap_or_default().split_whitespace();
        Ok(words.map(str::to_owned).collect())
    }
}

impl Field for u64 {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        Option::of(text)?.ok_or("is missing")
    }
}

impl Field for u32 {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        let number = u64::of(text)?;
        number.try_into().map_err(|_| "is too large")
    }
}

impl Field for Option<u64> {
    /// Decimal, or with `0x`.
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        let Some(text) = text else {
            return Ok(None);
        };
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Some).map_err(|_| "is not a number")
    }
}

/// `yes` or `no`, and what it is where the key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YesNo<const DEFAULT: bool>(pub bool);

impl<const DEFAULT: bool> Field for YesNo<DEFAULT> {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        match text {
            None => Ok(Self(DEFAULT)),
            Some("yes") => Ok(Self(true)),
            Some("no") => Ok(Self(false)),
            Some(_) => Err("is not yes or no"),
        }
    }
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant.
    Big,
    /// The least significant.
    Little,
}

impl Field for ByteOrder {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        match text {
            None | Some("big") => Ok(Self::Big),
            Some("little") => Ok(Self::Little),
            Some(_) => Err("is not big or little"),
        }
    }
}

/// The tree that regions are put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// QEMU generates it for its arguments, and takes another one with `-dtb`.
    Generated,
    /// QEMU reads a compiled tree of this name from its data folders, and completes it.
    File(String),
}

/// How regions get into a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// By nodes of the device tree, from an overlay: where a region is, is known before the start.
    Overlay(Tree),
    /// The firmware makes the device tree: the kernel reserves the regions (`reserve_mem=`), where there is room.
    ReserveMem,
}

impl Field for Placement {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        Ok(match text.ok_or("is missing")? {
            "generated" => Self::Overlay(Tree::Generated),
            "firmware" => Self::ReserveMem,
            name if name.ends_with(".dtb") => Self::Overlay(Tree::File(name.to_owned())),
            _ => return Err("is not generated, firmware or the name of a .dtb file"),
        })
    }
}

/// A structure with a field for each key, which reads them all.
macro_rules! keys {
    ($(#[doc = $of:literal])* $name:ident, $table:ident:
     $($(#[doc = $doc:literal])+ $key:literal $field:ident: $type:ty;)*) => {
        $(#[doc = $of])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        /// Those keys and what they mean.
        pub(crate) const $table: &[(&str, &str)] = &[$(($key, concat!($($doc),+))),*];

        impl $name {
            /// From the lines of a file, which an error about a missing one calls `file`.
            pub(crate) fn read(
                given: &BTreeMap<String, $crate::lines::Given>,
                file: &str,
            ) -> Result<Self> {
                Ok(Self { $($field: $crate::keys::field(given, file, $key)?,)* })
            }
        }
    };
}

pub(crate) use keys;

keys! {
    /// What every board has.
    Common, COMMON:
    /// core of its processor, for the table of boards
    "PROCESSOR" processor: String;
    /// architecture, as the kernel's make has it in `ARCH=`
    "LINUX_ARCH" linux_arch: String;
    /// prefix of the C compiler's name
    "CROSS_COMPILE" cross_compile: String;
    /// target of the Rust programs
    "RUST_TARGET" rust_target: String;
    /// processor that the Rust programs are compiled for, where it is not that of their target
    "RUST_CPU" rust_cpu: Option<String>;
    /// the kernel is built by clang of this release, as in `make LLVM=-19`
    "LLVM" llvm: Option<String>;
    /// `yes` for a machine that finds errors and is no supported board
    "DETECTOR" detector: YesNo<false>;
    /// `no` for a board that only the quick builder has an image for
    "BUILDROOT" buildroot: YesNo<true>;
    /// `no` for a board that a release has no image of: its base's is the same, or no product runs it
    "RELEASE" release: YesNo<true>;
    /// its kernels, where they are not `appliance lab debug bringup`
    "FLAVOURS" flavours: Vec<String>;
    /// `little`, where it is not big
    "BYTE_ORDER" byte_order: ByteOrder;
    /// a board whose patches its kernel has, where it has none itself
    "PATCHES_OF" patches_of: Option<String>;
    /// names from `common/linux/fragments`
    "LINUX_FRAGMENTS" linux_fragments: Vec<String>;
    /// more of them for the debug kernel: detectors that only some processors have
    "LINUX_DEBUG_FRAGMENTS" linux_debug_fragments: Vec<String>;
    /// more of them for the bring-up kernel: the DMA engine of the processor, the network, what tests of rings need
    "LINUX_BRINGUP_FRAGMENTS" linux_bringup_fragments: Vec<String>;
    /// what the boot loader starts: `uImage`, `vmlinux`
    "LINUX_IMAGE" linux_image: String;
    /// most bytes of kernel and root file system together; a test of the disk image checks it
    "IMAGE_BYTES_MAX" image_bytes_max: Option<u64>;
    /// device tree of the kernel's sources, below `arch/<arch>/boot/dts`
    "LINUX_DTB" linux_dtb: Option<String>;
    /// `no` if caches do not see what devices write
    "DMA_COHERENT" dma_coherent: YesNo<true>;
    /// bytes of a page of its kernel, where that is not 4096
    "PAGE_SIZE" page_size: Option<u64>;
    /// bits of an address of its kernel, where that is not 32
    "KERNEL_BITS" kernel_bits: Option<u64>;
    /// as in `console=`
    "CONSOLE" console: String;
    /// more of the kernel command line
    "CMDLINE" cmdline: Option<String>;
}

keys! {
    /// What a board has that QEMU plays.
    Qemu, QEMU:
    /// the emulator; a board that it cannot play has none of the following keys
    "QEMU" program: String;
    /// its machine
    "QEMU_MACHINE" machine: String;
    /// its processor
    "QEMU_CPU" cpu: String;
    /// processors that the machine can have
    "QEMU_CPUS_MAX" cpus_max: u32;
    /// MiB of memory that the machine has
    "QEMU_MEMORY_MIB" memory_mib: u64;
    /// MiB of memory that it can have
    "QEMU_MEMORY_MIB_MAX" memory_mib_max: u64;
    /// where the machine's memory begins, where that is not 0; regions of the suite are counted from there
    "QEMU_MEMORY_BASE" memory_base: Option<u64>;
    /// disks that a test can have at once, where that is less than 26
    "QEMU_DISKS_MAX" disks_max: Option<u64>;
    /// `generated` by QEMU, the name of the compiled tree that it reads, or `firmware`
    "QEMU_DEVICE_TREE" placement: Placement;
    /// the command that ends the machine
    "POWER_OFF" power_off: String;
    /// boot loader for QEMU's `-bios`
    "QEMU_LOADER" loader: Option<String>;
    /// the line that is typed at the boot loader's prompt
    "LOADER_BOOT" loader_boot: Option<String>;
}

/// Keys that begin so are what a board lacks: see [`crate::needs`].
pub(crate) const LACKS: &str = "LACKS_";

/// Keys of common boards that change what the kernel is built to.
pub(crate) const OF_KERNEL: [&str; 8] = [
    "LINUX_ARCH",
    "CROSS_COMPILE",
    "LLVM",
    "PATCHES_OF",
    "LINUX_FRAGMENTS",
    "LINUX_DEBUG_FRAGMENTS",
    "LINUX_BRINGUP_FRAGMENTS",
    "LINUX_IMAGE",
];

/// All keys and what they mean.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    const BASE: (&str, &str) = (
        "BASE",
        "a board whose keys and files are used where this one has none",
    );
    const LACKING: (&str, &str) = (
        "LACKS_<WORD>",
        "why tests that need this cannot run on the board",
    );
    let all = COMMON.iter().chain(QEMU);
    let all = all.map(|(key, meaning)| (*key, meaning.trim()));
    [BASE].into_iter().chain(all).chain([LACKING])
}

/// Whether a key is one of QEMU's.
pub(crate) fn is_qemus(key: &str) -> bool {
    QEMU.iter().any(|(known, _)| *known == key)
}

/// An error for a key that means nothing.
pub(crate) fn known(key: &str) -> Result<()> {
    let lacks = key.strip_prefix(LACKS).map(crate::Need::of_word);
    match lacks {
        Some(Some(_)) => Ok(()),
        Some(None) => {
            let words: Vec<&str> = crate::Need::words().collect();
            bail!(
                "no test needs this; {LACKS}<WORD> can be {}",
                words.join(", ")
            )
        }
        None => among(table(), key),
    }
}

/// An error for a key that none of these is.
pub(crate) fn among<'a>(table: impl Iterator<Item = (&'a str, &'a str)>, key: &str) -> Result<()> {
    let keys: Vec<&str> = table.map(|(key, _)| key).collect();
    match keys.contains(&key) {
        true => Ok(()),
        false => bail!("no such key; there are {}", keys.join(", ")),
    }
}

/// The value of a key; `file` is where it would be.
pub(crate) fn field<T: Field>(given: &BTreeMap<String, Given>, file: &str, key: &str) -> Result<T> {
    let found = given.get(key);
    match T::of(found.map(|given| given.value.as_str())) {
        Ok(value) => Ok(value),
        Err(wrong) => match found {
            Some(given) => {
                bail!("{}: {key}={} {wrong}", given.place(), given.value)
            }
            None => bail!("{file}: {key} {wrong}"),
        },
    }
}
