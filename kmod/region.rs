// SPDX-License-Identifier: GPL-2.0

//! A reserved region: where it is, what it is called, what may be done with it.
//!
//! Lock order: `Region::mapping` is taken last, and nothing is taken while it is held.

use kernel::{
    device::{
        Core,
        Device, //
    },
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::Mutex, //
};

use crate::{
    abi,
    abstractions::{
        dma::{
            Mapping,
            Owner, //
        },
        memory::Memory, //
    },
    range, //
};

/// A reserved region of physical memory. Its content is never touched by creating or dropping one.
#[pin_data]
pub(crate) struct Region {
    label: CString,
    writable: bool,
    memory: Memory,
    device_writes: bool,
    noncoherent: bool,
    /// Of a region that a device writes, while the driver is bound.
    #[pin]
    mapping: Mutex<Option<Mapping>>,
}

impl Region {
    /// Describes the region of `size` bytes at physical address `base`, which `device` writes if
    /// there is one.
    ///
    /// Errors: `EINVAL` for a label that cannot be a file name; `EOPNOTSUPP` for a region that a
    /// device writes, but that cannot be mapped for it; otherwise those of [`Memory::new`].
    pub(crate) fn new(
        label: CString,
        base: u64,
        size: u64,
        writable: bool,
        device: Option<&Device<Core<'_>>>,
    ) -> Result<impl PinInit<Self, Error>> {
        if !label_is_usable(label.to_bytes()) {
            return Err(EINVAL);
        }
        let memory = Memory::new(base, size)?;
        let mapping = match device {
            Some(_) if !memory.frames().all_have_pages() => return Err(EOPNOTSUPP),
            Some(device) => Some(Mapping::new(device, base, size, writable)?),
            None => None,
        };
        Ok(try_pin_init!(Self {
            label,
            writable,
            memory,
            device_writes: mapping.is_some(),
            noncoherent: mapping.as_ref().is_some_and(Mapping::noncoherent),
            mapping <- new_mutex!(mapping),
        }? Error))
    }

    pub(crate) fn label(&self) -> &CStr {
        &self.label
    }

    pub(crate) fn writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Makes `owner` the owner of `length` bytes from `offset` on: see [`abi::IOC_SYNC`], also for
    /// the errors. May sleep.
    pub(crate) fn sync(&self, offset: u64, length: u64, owner: Owner) -> Result {
        range::within(offset, length, self.memory.size())?;
        if !self.device_writes {
            return Err(EOPNOTSUPP);
        }
        self.hand_over(offset, length, owner)
    }

    /// As [`Self::sync`], of a range within the region, and nothing where nothing needs to be done.
    pub(crate) fn hand_over(&self, offset: u64, length: u64, owner: Owner) -> Result {
        if self.noncoherent {
            let mapping = self.mapping.lock();
            mapping.as_ref().ok_or(ENODEV)?.sync(offset, length, owner);
        }
        Ok(())
    }

    /// The driver is unbound: the device is not ours any more.
    pub(crate) fn unbind(&self) {
        *self.mapping.lock() = None;
    }

    /// The answer to [`abi::IOC_INFO`].
    pub(crate) fn info(&self) -> abi::RegionInfo {
        let mut label = [0; abi::LABEL_BYTES];
        // `new` refused a label that does not fit.
        for (to, from) in label.iter_mut().zip(self.label.to_bytes()) {
            *to = *from;
        }
        let mut flags = 0;
        if self.writable {
            flags |= abi::REGION_WRITABLE;
        }
        if self.memory.frames().all_have_pages() {
            flags |= abi::REGION_PAGES;
        } else if self.memory.frames().some_have_pages() {
            flags |= abi::REGION_SOME_PAGES;
        }
        if self.device_writes {
            flags |= abi::REGION_DEVICE_WRITES;
        }
        if self.noncoherent {
            flags |= abi::REGION_NONCOHERENT;
        }
        abi::RegionInfo {
            abi: abi::ABI_REVISION,
            flags,
            base: self.memory.base(),
            size: self.memory.size(),
            page_size: PAGE_SIZE as u32,
            features: features(),
            label,
            reserved: [0; 4],
        }
    }
}

/// What this module can do on this kernel.
fn features() -> u32 {
    let register = match cfg!(CONFIG_IO_URING) {
        true => abi::FEATURE_REGISTER,
        false => 0,
    };
    abi::FEATURE_SNAPSHOT | abi::FEATURE_SYNC | register
}

/// A label names a file below /dev/resmem.
fn label_is_usable(label: &[u8]) -> bool {
    let allowed = |c: &u8| c.is_ascii_alphanumeric() || b",._+-".contains(c);
    label.first().is_some_and(u8::is_ascii_alphanumeric)
        && label.len() < abi::LABEL_BYTES
        && label.iter().all(allowed)
}

#[kunit_tests(resmem_region)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_plain_file_name() {
        assert!(label_is_usable(b"capture"));
        assert!(label_is_usable(b"adc,0_left-channel.1"));
        assert!(!label_is_usable(b""));
        assert!(!label_is_usable(b".."));
        assert!(!label_is_usable(b"a/b"));
        assert!(!label_is_usable(b"a b"));
        assert!(!label_is_usable(&[b'a'; 64]));
        assert!(label_is_usable(&[b'a'; 63]));
    }
}
