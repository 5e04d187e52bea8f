// SPDX-License-Identifier: MIT

//! Several writes in flight at once, from mappings or from a region's registered pages, through
//! io_uring.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::Arc,
    time::Duration,
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{Fd, SubmitArgs, Timespec},
};
use nix::errno::Errno;

use crate::{
    Mapping, Region,
    abi::{RegisterBuffer, RingReach},
    ioctl::{self, REACH, REGISTER},
};

// The crate has layouts for 64-bit machines. They hold for 32-bit ones of either byte order as well,
// because these structures have fields of fixed width only; on those it must be built with
// `--cfg=io_uring_skip_arch_check`.
const _: () = {
    assert!(size_of::<squeue::Entry>() == 64);
    assert!(size_of::<cqueue::Entry>() == 16);
};

/// Writes in flight, each in a slot of its own.
///
/// # Invariants
///
/// `flying[slot]` holds the target of the write `slot` and what it reads from, from before it is queued until its
/// completion has been seen; at most `flying.len()` writes are queued, the size of the ring. `region` is held while a
/// command on its descriptor may be queued.
pub struct Ring {
    ring: IoUring,
    flying: Vec<Option<Flying>>,
    region: Option<Arc<Region>>,
    /// A command that waits for a position is queued.
    reaching: bool,
    /// And one that waits for a trigger.
    pulling: bool,
}

/// What a command that waits for a position is called by, in the place of a slot.
const REACHED: u64 = u64::MAX;
/// And one that waits for a trigger.
const PULLED: u64 = u64::MAX - 1;

/// What a write needs, held only to stay: its number would mean another file, its address other memory.
struct Flying {
    _target: Arc<File>,
    /// None where the kernel holds the pages.
    _mapping: Option<Arc<Mapping>>,
}

impl Ring {
    /// A ring for up to `depth` writes. `ENOSYS` or `EPERM` where the kernel has none, or none for
    /// this process.
    pub fn new(depth: u32) -> io::Result<Self> {
        let ring = IoUring::new(depth)?;
        // INVARIANT: Nothing has been queued; the kernel rounds the size of the ring up.
        Ok(Self {
            ring,
            flying: (0..depth).map(|_| None).collect(),
            region: None,
            reaching: false,
            pulling: false,
        })
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.flying.len()
    }

    /// A slot in which nothing is in flight.
    pub fn free(&self) -> Option<usize> {
        self.flying.iter().position(Option::is_none)
    }

    /// Begins to write `length` bytes from `from` on, in the mapped file's offsets, to `position` of `target`. Both are
    /// held until [`Ring::wait`] has returned the slot. `EBUSY` when something is in flight in `slot`, `EINVAL` for
    /// bytes that are not mapped and for a position beyond what files have.
    pub fn write(
        &mut self,
        slot: usize,
        mapping: &Arc<Mapping>,
        from: u64,
        length: u32,
        target: &Arc<File>,
        position: u64,
    ) -> io::Result<()> {
        let bytes = mapping.pointer(from, length)?;
        let entry = opcode::Write::new(Fd(target.as_raw_fd()), bytes, length)
            .offset(offset(position)?)
            .build();
        let flying = Flying {
            _target: Arc::clone(target),
            _mapping: Some(Arc::clone(mapping)),
        };
        self.queue(slot, flying, entry)
    }

    /// Makes room for so many registered buffers.
    pub(crate) fn reserve_buffers(&mut self, count: u32) -> io::Result<()> {
        self.ring.submitter().register_buffers_sparse(count)
    }

    /// Makes `length` bytes of `region` from `offset` on buffer `index`, while nothing is in flight. A ring has buffers
    /// of one region. Errors: see [`IOC_REGISTER`](crate::abi::IOC_REGISTER).
    pub(crate) fn register(
        &mut self,
        region: &Arc<Region>,
        index: u32,
        offset: u64,
        length: u32,
    ) -> io::Result<()> {
        if !self.is_idle() {
            return Err(Errno::EBUSY.into());
        }
        let argument = RegisterBuffer {
            region_offset: offset,
            length,
            index,
        };
        // INVARIANT: It is held as long as the ring, or until it is held by another command in its place.
        let region = self.region.insert(Arc::clone(region));
        let entry = opcode::UringCmd16::new(Fd(region.as_fd().as_raw_fd()), REGISTER)
            .cmd(ioctl::argument(argument))
            .build();
        // SAFETY: The argument is part of the entry, and the command refers to no other memory.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno::EBUSY)?;
        loop {
            if let Some(entry) = self.ring.completion().next() {
                return match entry.result() {
                    0.. => Ok(()),
                    error => Err(io::Error::from_raw_os_error(-error)),
                };
            }
            match self.ring.submit_and_wait(1) {
                Err(error) if !is_passing(&error) => return Err(error),
                _ => {}
            }
        }
    }

    /// As [`Ring::write`], from byte `from` of a registered buffer on. `EFAULT`, as the result of the
    /// write, for bytes that are not in it.
    pub(crate) fn write_registered(
        &mut self,
        slot: usize,
        buffer: u16,
        from: u32,
        length: u32,
        target: &Arc<File>,
        position: u64,
    ) -> io::Result<()> {
        let address = ptr::without_provenance(from as usize);
        let entry = opcode::WriteFixed::new(Fd(target.as_raw_fd()), address, length, buffer)
            .offset(offset(position)?)
            .build();
        let flying = Flying {
            _target: Arc::clone(target),
            _mapping: None,
        };
        self.queue(slot, flying, entry)
    }

    /// Queues a write that needs what `flying` holds and nothing else.
    fn queue(&mut self, slot: usize, flying: Flying, entry: squeue::Entry) -> io::Result<()> {
        match self.flying.get_mut(slot) {
            // INVARIANT: It is not queued yet.
            Some(free @ None) => *free = Some(flying),
            _ => return Err(Errno::EBUSY.into()),
        }
        let entry = entry.user_data(slot as u64);
        // SAFETY: By the type invariants a mapping stays until the write has completed, and so does the target's
        // descriptor; no other code forms a reference to the bytes. Registered pages are the kernel's to keep.
        if unsafe { self.ring.submission().push(&entry) }.is_err() {
            // INVARIANT: It was not queued.
            self.flying[slot] = None;
            return Err(Errno::EBUSY.into());
        }
        match self.ring.submit() {
            Ok(_) => Ok(()),
            // It stays in the queue: the next call submits it.
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until a write has ended: its slot, and the bytes it wrote. `EINTR` after a signal;
    /// everything stays in flight then.
    pub fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
        loop {
            if let Some(ended) = self.ended() {
                return Ok(ended);
            }
            self.ring.submit_and_wait(1)?;
        }
    }

    /// As [`Ring::wait`], without waiting.
    pub fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        loop {
            let entry = self.ring.completion().next()?;
            match entry.user_data() {
                REACHED => self.reaching = false,
                PULLED => self.pulling = false,
                _ => {}
            }
            if entry.user_data() >= PULLED {
                continue;
            }
            let slot = entry.user_data() as usize;
            if let Some(flying) = self.flying.get_mut(slot) {
                // INVARIANT: This is its completion.
                *flying = None;
            }
            let result = u32::try_from(entry.result())
                .map_err(|_| io::Error::from_raw_os_error(-entry.result()));
            return Some((slot, result));
        }
    }

    /// Queues a command that completes with what is `asked` of the device of the registered region.
    fn queue_reach(&mut self, asked: RingReach, name: u64) -> io::Result<()> {
        let region = self.region.as_ref().ok_or(Errno::EINVAL)?;
        let mut argument = [0; 16];
        argument[..8].copy_from_slice(&asked.position.to_ne_bytes());
        argument[8..].copy_from_slice(&asked.triggers.to_ne_bytes());
        let entry = opcode::UringCmd16::new(Fd(region.as_fd().as_raw_fd()), REACH)
            .cmd(argument)
            .build()
            .user_data(name);
        // SAFETY: The argument is part of the entry, and the command refers to no other memory; by the type invariants
        // the descriptor stays.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno::EBUSY)?;
        Ok(())
    }

    /// Waits, in a ring with a slot to spare, until a write has ended, until the device of the registered region has
    /// reached `position` or has another number of triggers than `triggers`, if these are given, and no longer than
    /// `longest`; perhaps not as long. Errors: see [`IOC_REACH`](crate::abi::IOC_REACH).
    pub(crate) fn wait_for(
        &mut self,
        position: Option<u64>,
        triggers: Option<u64>,
        longest: Duration,
    ) -> io::Result<()> {
        // One command of each that waits is enough: after the one before there is another look.
        if let Some(position) = position.filter(|_| !self.reaching) {
            let triggers = 0;
            self.queue_reach(RingReach { position, triggers }, REACHED)?;
            self.reaching = true;
        }
        if let Some(known) = triggers.filter(|_| !self.pulling) {
            let asked = RingReach {
                position: u64::MAX,
                triggers: known.wrapping_add(1),
            };
            self.queue_reach(asked, PULLED)?;
            self.pulling = true;
        }
        if !self.ring.completion().is_empty() {
            return Ok(());
        }
        let time = Timespec::from(longest);
        let arguments = SubmitArgs::new().timespec(&time);
        match self.ring.submitter().submit_with_args(1, &arguments) {
            Err(error) if error.raw_os_error() == Some(libc::ETIME) || is_passing(&error) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.flying.iter().all(Option::is_none)
    }
}

/// A place in a file: the kernel takes -1 for where the file is.
fn offset(position: u64) -> io::Result<u64> {
    match i64::try_from(position) {
        Ok(_) => Ok(position),
        Err(_) => Err(Errno::EINVAL.into()),
    }
}

/// Whether the kernel was short of something that completions give back.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EAGAIN | Errno::EBUSY | Errno::EINTR)
    )
}

impl Drop for Ring {
    fn drop(&mut self) {
        while !self.is_idle() {
            match self.wait() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // INVARIANT: Never unmapped or closed, so they hold for ever.
                    self.flying.drain(..).flatten().for_each(std::mem::forget);
                    debug_assert!(false, "writes in flight cannot be waited for: {error}");
                }
            }
        }
        // Else the kernel lets go of a region some time after the process has ended. There may be none.
        let _ = self.ring.submitter().unregister_buffers();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt};

    use super::*;

    /// Some sandboxes, and user-mode emulation, have no io_uring.
    fn ring(depth: u32) -> Option<Ring> {
        Ring::new(depth).ok()
    }

    #[test]
    fn writes_arrive_whatever_the_order_of_completion() {
        let Some(mut ring) = ring(4) else { return };
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..4 * 4096u32).map(|n| (n / 7) as u8).collect();
        fs::write(folder.path().join("a"), &bytes).unwrap();
        let source = File::open(folder.path().join("a")).unwrap();
        let target = Arc::new(File::create_new(folder.path().join("b")).unwrap());
        let mapping = Arc::new(Mapping::new(&source, 0, bytes.len()).unwrap());
        for slot in [2, 0, 3, 1] {
            let at = 4096 * slot as u64;
            ring.write(slot, &mapping, at, 4096, &target, at).unwrap();
        }
        assert_eq!(ring.free(), None);
        for _ in 0..4 {
            assert_eq!(ring.wait().unwrap().1.unwrap(), 4096);
        }
        assert!(ring.is_idle());
        assert_eq!(fs::read(folder.path().join("b")).unwrap(), bytes);
    }

    #[test]
    fn a_failed_write_has_its_errno() {
        let Some(mut ring) = ring(1) else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, [0; 4096]).unwrap();
        let source = File::open(&path).unwrap();
        let mapping = Arc::new(Mapping::new(&source, 0, 4096).unwrap());
        // Not open for writing.
        let source = Arc::new(source);
        ring.write(0, &mapping, 0, 512, &source, 0).unwrap();
        let (slot, result) = ring.wait().unwrap();
        assert_eq!(
            (slot, result.unwrap_err().raw_os_error()),
            (0, Some(libc::EBADF))
        );
        source.read_exact_at(&mut [0; 1], 0).unwrap();
    }

    #[test]
    fn bytes_that_are_not_mapped_are_refused() {
        let Some(mut ring) = ring(1) else { return };
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let mapping = Arc::new(Mapping::new(&file, 0, 4096).unwrap());
        let error = ring
            .write(0, &mapping, 1, 4096, &Arc::new(file), 0)
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        assert!(ring.is_idle());
    }

    #[test]
    fn what_a_write_needs_is_held_until_it_has_ended() {
        let Some(mut ring) = ring(2) else { return };
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(&[7; 8192], 0).unwrap();
        let mapping = Arc::new(Mapping::new(&source, 0, 8192).unwrap());
        let target = Arc::new(tempfile::tempfile().unwrap());
        ring.write(0, &mapping, 0, 4096, &target, 0).unwrap();
        let (mapping, target) = (Arc::downgrade(&{ mapping }), Arc::downgrade(&{ target }));
        assert!(mapping.upgrade().is_some() && target.upgrade().is_some());
        assert_eq!(ring.wait().unwrap().1.unwrap(), 4096);
        assert!(mapping.upgrade().is_none() && target.upgrade().is_none());
    }

    #[test]
    fn a_position_is_not_where_the_file_is() {
        let Some(mut ring) = ring(1) else { return };
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(4096).unwrap();
        let mapping = Arc::new(Mapping::new(&file, 0, 4096).unwrap());
        for position in [u64::MAX, 1 << 63] {
            let error = ring
                .write(0, &mapping, 0, 512, &file, position)
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        }
        assert!(ring.is_idle());
    }
}
