// SPDX-License-Identifier: GPL-2.0

//! A register of a system controller, which several drivers share.
//!
//! Lock order: the controller's own lock is taken last.

use core::ptr::NonNull;

use kernel::{
    bindings,
    error::to_result,
    ffi::c_void,
    prelude::*, //
};

use super::{
    ffi,
    producer::{
        Register,
        Width, //
    }, //
};

/// A register of 32 bits.
pub(crate) enum Syscon {
    /// By the kernel's map of the controller, which its other drivers use as well.
    Mapped(Map),
    /// In a kernel without such maps, so that no other driver has one.
    Own(Register),
}

/// # Invariants
///
/// `map` is a register map of a system controller: it is never freed.
pub(crate) struct Map {
    map: NonNull<c_void>,
    offset: u32,
}

// SAFETY: A register map may be used by any thread.
unsafe impl Send for Map {}
// SAFETY: It has its own lock.
unsafe impl Sync for Map {}

impl Syscon {
    /// The register that the node's property `syscon` names, or another one of that controller, by its offset; and its
    /// offset. `ENODATA` where there is no such property, `EINVAL` for one that names no controller and offset, for a
    /// register that is not in the controller, or not aligned to 4, and for a controller whose registers have other
    /// widths, `EPROBE_DEFER`, `ENOMEM`, and what the map answers.
    ///
    /// # Safety
    ///
    /// `node` is valid.
    pub(super) unsafe fn of(
        node: *const bindings::device_node,
        other: Option<u32>,
    ) -> Result<(Self, u32)> {
        let (mut map, mut start, mut size) = (core::ptr::null_mut(), 0, 0);
        let (mut offset, mut big_endian) = (0, false);
        // SAFETY: By our own requirements; the rest is ours.
        to_result(unsafe {
            ffi::resmem_syscon(
                node,
                &mut map,
                &mut start,
                &mut size,
                &mut offset,
                &mut big_endian,
            )
        })?;
        let offset = other.unwrap_or(offset);
        if offset % 4 != 0 || size < 4 || u64::from(offset) > size - 4 {
            return Err(EINVAL);
        }
        if let Some(map) = NonNull::new(map) {
            // INVARIANT: The kernel keeps what it found for ever.
            return Ok((Self::Mapped(Map { map, offset }), offset));
        }
        let width = Width {
            bytes: 4,
            big_endian,
        };
        let register = Register::new(start + u64::from(offset), width)?;
        Ok((Self::Own(register), offset))
    }

    /// What it says. Errors: those of the map.
    pub(crate) fn read(&self) -> Result<u64> {
        match self {
            Self::Mapped(Map { map, offset }) => {
                let mut value = 0;
                // SAFETY: By the type invariants; `value` is ours.
                to_result(unsafe { ffi::resmem_syscon_read(map.as_ptr(), *offset, &mut value) })?;
                Ok(value.into())
            }
            Self::Own(register) => register.read(),
        }
    }

    /// Has it say `value`. Errors: those of the map.
    pub(crate) fn write(&self, value: u32) -> Result {
        match self {
            Self::Mapped(Map { map, offset }) => {
                // SAFETY: By the type invariants.
                to_result(unsafe { ffi::resmem_syscon_write(map.as_ptr(), *offset, value) })
            }
            Self::Own(register) => {
                register.write(value);
                Ok(())
            }
        }
    }
}
