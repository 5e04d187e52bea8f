// SPDX-License-Identifier: GPL-2.0

//! A reserved region: where it is, what it is called, what may be done with it.

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    str::CString, //
};

use crate::{
    abi,
    frames::Frames, //
};

/// A reserved region of physical memory. Its content is never touched by creating or dropping one.
pub(crate) struct Region {
    label: CString,
    base: u64,
    size: u64,
    writable: bool,
    frames: Frames,
}

impl Region {
    /// Describes the region of `size` bytes at physical address `base`.
    ///
    /// Errors: `EINVAL` for a label that cannot be a file name or for bounds that are not multiples
    /// of the page size, `ENXIO` for memory that the kernel has no reserved page structures for.
    pub(crate) fn new(label: CString, base: u64, size: u64, writable: bool) -> Result<Self> {
        if !label_is_usable(label.to_bytes()) {
            return Err(EINVAL);
        }
        crate::range::aligned(&[base, size], PAGE_SIZE as u64).map_err(|_| EINVAL)?;
        Ok(Self {
            label,
            base,
            size,
            writable,
            frames: Frames::new(base, size)?,
        })
    }

    pub(crate) fn label(&self) -> &CStr {
        &self.label
    }

    /// Physical address of the first byte.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Size in bytes, a multiple of the page size.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The answer to [`abi::IOC_INFO`].
    pub(crate) fn info(&self) -> abi::RegionInfo {
        let mut label = [0; abi::LABEL_BYTES];
        // `new` refused a label that does not fit.
        for (to, from) in label.iter_mut().zip(self.label.to_bytes()) {
            *to = *from;
        }
        abi::RegionInfo {
            abi: abi::ABI_REVISION,
            flags: abi::REGION_PAGES
                | if self.writable {
                    abi::REGION_WRITABLE
                } else {
                    0
                },
            base: self.base,
            size: self.size,
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
