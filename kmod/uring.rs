// SPDX-License-Identifier: GPL-2.0

//! A region as a fixed buffer of an io_uring: direct I/O that user space submits, from the region's own
//! pages. The pages are described to the ring once, instead of being mapped by the process and pinned
//! for every write. See [`abi::IOC_REGISTER`].
//!
//! Called with the ring's lock held; takes that of the region's mapping (`hand_over`) below it.

use kernel::{
    bindings,
    fs::LocalFile,
    ioctl::_IOW,
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::{
    abi,
    dma::Owner,
    ffi,
    fops,
    range,
    region::Region, //
};

const REGISTER: u32 = _IOW::<abi::RegisterBuffer>(abi::IOC_TYPE as u32, abi::IOC_REGISTER as u32);

/// A command that is being issued.
///
/// # Invariants
///
/// `raw` is valid, and `issue_flags` are those that io_uring issues it with.
pub(crate) struct Command {
    raw: *mut bindings::io_uring_cmd,
    issue_flags: c_uint,
}

impl Command {
    /// # Safety
    ///
    /// `raw` is a command that is being issued with `issue_flags`, for as long as the value lives.
    pub(crate) unsafe fn from_raw(raw: *mut bindings::io_uring_cmd, issue_flags: c_uint) -> Self {
        // INVARIANT: By our own requirements.
        Self { raw, issue_flags }
    }

    fn operation(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { ffi::resmem_uring_operation(self.raw) }
    }

    /// The argument, copied once: the process may change its own copy meanwhile.
    fn argument(&self) -> abi::RegisterBuffer {
        let mut argument = abi::RegisterBuffer::default();
        // SAFETY: Valid by the type invariants; the argument is two words of 64 bits, aligned as such.
        unsafe { ffi::resmem_uring_argument(self.raw, (&raw mut argument).cast()) };
        argument
    }

    /// Makes the bytes of `bvec` entry `index` of the ring's fixed buffers, which can be written from.
    ///
    /// # Safety
    ///
    /// The pages that `bvec` describes stay valid for as long as the command's file is open.
    unsafe fn register(&self, bvec: &bindings::bio_vec, index: u32) -> Result {
        // SAFETY: Valid by the type invariants. The vector is copied; the ring holds a reference to
        // the file for as long as it has the buffer.
        kernel::error::to_result(unsafe {
            ffi::resmem_uring_register(self.raw, bvec, index, self.issue_flags)
        })
    }
}

/// Does what the command says. Errors: see [`abi::IOC_REGISTER`].
pub(crate) fn run(region: &Region, file: &LocalFile, command: &Command) -> Result {
    if command.operation() != REGISTER {
        return Err(ENOTTY);
    }
    if !fops::opened_for_reading(file) {
        return Err(EBADF);
    }
    let asked = command.argument();
    let (offset, length) = (asked.region_offset, u64::from(asked.length));
    if asked.length > abi::REGISTER_MAX {
        return Err(EINVAL);
    }
    let memory = region.memory();
    range::within(offset, length, memory.size())?;
    let (first, within) = memory.locate(offset);
    let bytes = memory.frames().pages_from(first) as u64 * PAGE_SIZE as u64;
    if bytes < within as u64 + length {
        return Err(ENXIO);
    }
    region.hand_over(offset, length, Owner::Cpu)?;
    let bvec = bindings::bio_vec {
        bv_page: memory.frames().page(first)?.as_ptr(),
        bv_len: asked.length,
        bv_offset: within as u32,
    };
    // SAFETY: The frames of the range have pages, which are one array and reserved for good.
    unsafe { command.register(&bvec, asked.index) }
}
