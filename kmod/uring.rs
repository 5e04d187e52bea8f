// SPDX-License-Identifier: GPL-2.0

//! A region as a fixed buffer of an io_uring: direct I/O that user space submits, from the region's own
//! pages. The pages are described to the ring once, instead of being mapped by the process and pinned
//! for every write. See [`abi::IOC_REGISTER`].
//!
//! Called with the ring's lock held, or by a worker of the ring without it. The lock of the region's owners
//! (`look`) is taken by the worker alone: a sync of much memory would stop the ring.

use kernel::{
    fs::LocalFile,
    ioctl::_IOW,
    prelude::*,
    sync::Arc, //
};

use crate::{
    abi,
    abstractions::{
        bvec::Span,
        file,
        uring::Command, //
    },
    progress::Progress,
    range,
    region::Region, //
};

const REACH: u32 = _IOW::<abi::RingReach>(abi::IOC_TYPE as u32, abi::IOC_REACH as u32);
const REGISTER: u32 = _IOW::<abi::RegisterBuffer>(abi::IOC_TYPE as u32, abi::IOC_REGISTER as u32);

/// Does what the command says. Errors: see [`abi::IOC_REGISTER`] and [`abi::IOC_REACH`].
pub(crate) fn run(
    region: &Region,
    progress: Option<&Arc<Progress>>,
    file: &LocalFile,
    command: &Command<'_>,
) -> Result {
    if command.is_cancel() {
        if let Some(progress) = progress {
            progress.cancel(command);
        }
        return Ok(());
    }
    if !matches!(command.operation(), REGISTER | REACH) {
        return Err(ENOTTY);
    }
    if !file::opened_for_reading(file) {
        return Err(EBADF);
    }
    if command.operation() == REACH {
        return progress.ok_or(EOPNOTSUPP)?.reach(command);
    }
    let asked: abi::RegisterBuffer = command.argument();
    let (offset, length) = (asked.region_offset, u64::from(asked.length));
    if asked.length > abi::REGISTER_MAX {
        return Err(EINVAL);
    }
    range::within(offset, length, region.memory().size())?;
    let span = Span::new(region.memory(), offset, asked.length)?;
    if region.look_sleeps() && command.must_not_block() {
        return Err(EAGAIN);
    }
    region.look(offset, length)?;
    command.register(&span, asked.index)
}
