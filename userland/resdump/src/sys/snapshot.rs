// SPDX-License-Identifier: MIT

//! Memory of this process that stands in for a region: filled at once by the module, or by reading.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
};

use memmap2::MmapOptions;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        eventfd::EventFd,
        memfd::{MFdFlags, memfd_create},
    },
};
use resmem_abi::{
    abi::{Snapshot, SnapshotStatus},
    ioctl,
};

use super::node::Node;
use crate::{signals::Stop, span::Span};

/// A file of `size` bytes in memory, without a name. What is not written to takes no memory.
pub fn file_in_memory(size: u64) -> io::Result<File> {
    let file = File::from(memfd_create(c"resdump", MFdFlags::MFD_CLOEXEC)?);
    file.set_len(size)?;
    Ok(file)
}

/// Lets the module fill `span` of `file`, which is in memory, from the same bytes of the region, and
/// waits for the end. `EINTR` when `stop` says so; the module goes on until `node` is closed then.
///
/// Errors: see `IOC_SNAPSHOT` of the ABI.
pub fn fill(node: &Node, file: &File, span: Span, stop: &Stop) -> io::Result<()> {
    let length = usize::try_from(span.length).map_err(|_| Errno::EINVAL)?;
    let map = MmapOptions::new()
        .offset(span.offset)
        .len(length)
        .map_raw(file)?;
    let event = EventFd::new()?;
    let asked = Snapshot {
        address: map.as_mut_ptr().addr() as u64,
        length: span.length,
        region_offset: span.offset,
        eventfd: event.as_raw_fd(),
        ..Snapshot::default()
    };
    // SAFETY: It is a region, `asked` is valid. The buffer is a mapping of pages of `file`, to which
    // no code forms a reference; they are pinned, so they stay what they are also when this returns
    // early and unmaps them.
    unsafe { ioctl::snapshot(node.file().as_raw_fd(), &raw const asked) }?;
    let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => break,
            // A signal that is not for us, such as being stopped and continued.
            Err(Errno::EINTR) if !stop.requested() => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut status = SnapshotStatus::default();
    // SAFETY: It is a region, `status` is valid.
    unsafe { ioctl::snapshot_status(node.file().as_raw_fd(), &raw mut status) }?;
    match status.error {
        0 if status.copied == span.length => Ok(()),
        0 => Err(Errno::EIO.into()),
        error => Err(io::Error::from_raw_os_error(error as i32)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_file_in_memory_is_as_long_as_asked_for_and_zero() {
        let file = file_in_memory(5 << 30).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5 << 30);
        let mut bytes = [1; 16];
        file.read_exact_at(&mut bytes, (5 << 30) - 16).unwrap();
        assert_eq!(bytes, [0; 16]);
    }
}
