// SPDX-License-Identifier: MIT

//! What a file system makes of direct I/O and of durability.

use std::fs::{self, File};

use super::{
    mounts,
    storage::{self, Storage},
};
use crate::sys;

/// `RAMFS_MAGIC` of linux/magic.h: the root file system that an initramfs is unpacked to.
const RAMFS: u32 = 0x8584_58f6;
const TMPFS: u32 = 0x0102_1994;
const OVERLAY: u32 = 0x794c_7630;

/// File systems that take `O_DIRECT` and copy all the same, or hand every byte to a program: FUSE,
/// UBIFS, JFFS2, eCryptfs.
const COPYING: [u32; 4] = [0x6573_5546, 0x2405_1905, 0x0000_72b6, 0x0000_f15f];

/// ext2, ext3 and ext4: a block that was written is written again where it is.
const EXT: u32 = 0xef53;

/// What is known of the place of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// It does not survive a power cut.
    pub(super) in_memory: bool,
    /// The processor copies every byte that is written to it.
    pub(super) copies: bool,
    /// What is overwritten needs no room.
    pub(super) in_place: bool,
}

/// Of an open regular file.
pub(super) fn of(file: &File) -> Traits {
    let Ok(magic) = sys::file::file_system(file) else {
        return Traits::default();
    };
    let in_memory = match magic {
        RAMFS | TMPFS => true,
        OVERLAY => mounts::upper_folder(file)
            .and_then(|upper| File::open(upper).ok())
            .is_some_and(|upper| of(&upper).in_memory),
        _ => false,
    };
    Traits {
        in_memory: in_memory || device_of(file).is_some_and(is_volatile),
        copies: in_memory || COPYING.contains(&magic),
        in_place: magic == EXT,
    }
}

/// Whether what is written to a block device does not survive a power cut.
pub(super) fn is_volatile(device: u64) -> bool {
    let storage = Storage::current();
    let in_memory = |image| File::open(image).is_ok_and(|image| of(&image).in_memory);
    storage.is_ram_disk(device) || storage.images(device).into_iter().any(in_memory)
}

/// The block device that the file system of `file` is on.
pub(super) fn device_of(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let dev = file.metadata().ok()?.dev();
    if sys::file::file_system(file) == Ok(OVERLAY) {
        return device_of(&File::open(mounts::upper_folder(file)?).ok()?);
    }
    // Where the number is the file system's own, as that of btrfs, its mount names the device.
    storage::on_device(dev).or_else(|| {
        let metadata = fs::metadata(mounts::of(file)?.source).ok()?;
        use std::os::unix::fs::FileTypeExt;
        metadata
            .file_type()
            .is_block_device()
            .then(|| metadata.rdev())
    })
}
