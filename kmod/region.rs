// SPDX-License-Identifier: GPL-2.0

//! A reserved region: where it is, what it is called, what may be done with it.

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    str::CString, //
};

use crate::{
    abi,
    memory::Memory, //
};

/// A reserved region of physical memory. Its content is never touched by creating or dropping one.
pub(crate) struct Region {
    label: CString,
    writable: bool,
    memory: Memory,
}

impl Region {
    /// Describes the region of `size` bytes at physical address `base`.
    ///
    /// Errors: `EINVAL` for a label that cannot be a file name; otherwise those of [`Memory::new`].
    pub(crate) fn new(label: CString, base: u64, size: u64, writable: bool) -> Result<Self> {
        if !label_is_usable(label.to_bytes()) {
            return Err(EINVAL);
        }
        Ok(Self {
            label,
            writable,
            memory: Memory::new(base, size)?,
        })
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
        }
        abi::RegionInfo {
            abi: abi::ABI_REVISION,
            flags,
            base: self.memory.base(),
            size: self.memory.size(),
            page_size: PAGE_SIZE as u32,
            reserved0: 0,
            label,
            reserved: [0; 4],
        }
    }
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
