// SPDX-License-Identifier: MIT
//! A thread's io_uring, and what is known of its table of fixed buffers.

use io_uring::{IoUring, squeue};

use super::sys::Called;

/// Entries of the table.
pub const ENTRIES: usize = 4;

/// A range that is a fixed buffer.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Index of its region.
    pub region: usize,
    pub offset: u64,
    pub length: u64,
}

/// A ring for one request at a time.
pub struct Ring {
    /// A kernel may have none.
    ring: Option<IoUring>,
    pub table: [Option<Held>; ENTRIES],
}

impl Ring {
    /// With an empty table.
    pub fn new() -> Result<Self, i32> {
        let ring = match IoUring::new(4) {
            Ok(ring) => Some(ring),
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => None,
            Err(error) => return Err(error.raw_os_error().unwrap_or(0)),
        };
        let table = [None; ENTRIES];
        let new = Self { ring, table };
        new.fill()?;
        Ok(new)
    }

    /// Makes the table.
    fn fill(&self) -> Result<(), i32> {
        let Some(ring) = &self.ring else {
            return Ok(());
        };
        let made = ring.submitter().register_buffers_sparse(ENTRIES as u32);
        made.map_err(|error| error.raw_os_error().unwrap_or(0))
    }

    /// Makes a request, and waits for its end whatever signals come.
    pub fn submit(&mut self, entry: &squeue::Entry) -> Result<Called, String> {
        let Some(ring) = &mut self.ring else {
            return Ok(Err(libc::ENOSYS));
        };
        // SAFETY: Requests refer to fixed buffers, which the kernel checks, and to no memory of ours.
        unsafe { ring.submission().push(entry) }.map_err(|error| error.to_string())?;
        loop {
            if let Some(done) = ring.completion().next() {
                return Ok(match done.result() {
                    result @ 0.. => Ok(result as u64),
                    error => Err(-error),
                });
            }
            match ring.submit_and_wait(1) {
                Err(error) if error.raw_os_error() != Some(libc::EINTR) => {
                    return Err(format!("the ring: {error}"));
                }
                _ => {}
            }
        }
    }

    /// Takes an entry out of the table.
    pub fn forget(&mut self, index: usize) -> Called {
        let Some(ring) = &self.ring else {
            return Err(libc::ENOSYS);
        };
        let nothing = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: No memory is given.
        let done = unsafe {
            ring.submitter()
                .register_buffers_update(index as u32, &[nothing], None)
        };
        done.map_err(|error| error.raw_os_error().unwrap_or(0))?;
        self.table[index] = None;
        Ok(0)
    }

    /// Empties the table.
    pub fn clear(&mut self) -> Result<(), i32> {
        if let Some(ring) = &self.ring {
            let done = ring.submitter().unregister_buffers();
            done.map_err(|error| error.raw_os_error().unwrap_or(0))?;
        }
        self.table = [None; ENTRIES];
        self.fill()
    }

    /// Whether it keeps a node open.
    pub fn holds(&self) -> bool {
        self.table.iter().any(Option::is_some)
    }
}
