// SPDX-License-Identifier: MIT

//! A copy of a region at one moment.

use std::{fs::File, io, ops::Range, os::fd::AsFd};

use memmap2::MmapOptions;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        eventfd::EventFd,
        memfd::{MFdFlags, memfd_create},
    },
};

use crate::Region;

impl Region {
    /// Copies `range`, at most [`SNAPSHOT_MAX`](crate::abi::SNAPSHOT_MAX) bytes, by the module, in one go. Returns a
    /// file in memory of the region's size: the copy is where it is in the region, the rest is zero and takes no
    /// memory.
    ///
    /// After a signal `stop` is asked: `EINTR` when it says so, while the module goes on until the region is closed.
    /// Other errors: see [`IOC_SNAPSHOT`](crate::abi::IOC_SNAPSHOT).
    pub fn snapshot(&self, range: Range<u64>, mut stop: impl FnMut() -> bool) -> io::Result<File> {
        let file = File::from(memfd_create(c"resmem", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(self.size())?;
        let length = range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?;
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        // No code forms a reference to its bytes.
        let map = MmapOptions::new()
            .offset(range.start)
            .len(length)
            .map_raw(&file)?;
        let event = EventFd::new()?;
        self.begin_snapshot(&map, range.start, event.as_fd())?;
        let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => break,
                // A signal that is not for us, such as being stopped and continued.
                Err(Errno::EINTR) if !stop() => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let status = self.snapshot_status()?;
        match status.error {
            0 if status.copied == length as u64 => Ok(file),
            0 => Err(Errno::EIO.into()),
            error => Err(io::Error::from_raw_os_error(error as i32)),
        }
    }
}
