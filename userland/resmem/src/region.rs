// SPDX-License-Identifier: MIT

//! A region by its device node.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileTypeExt},
    },
    path::Path,
    time::{Duration, Instant},
};

use memmap2::MmapRaw;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    Mapping,
    abi::{
        EXPORT_CLOEXEC, EXPORT_WRITE, REGION_NONCOHERENT, REGION_PAGES, REGION_POSITION,
        REGION_WRITABLE, RegionExport, RegionInfo, RegionSync, RingConsumed, RingDoorbell,
        RingPosition, RingWatch, SYNC_FOR_CPU, SYNC_FOR_DEVICE, Snapshot, SnapshotStatus, Transfer,
    },
    direction::Direction,
    ioctl,
};

/// Where the module puts its device nodes.
const DIRECTORY: &str = "/dev/resmem";

/// What a region is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Dumps, snapshots, positions, mappings to read.
    Read,
    /// All else too: loads, and handing memory over to its device.
    Write,
}

/// An open region of reserved memory.
///
/// # Invariants
///
/// `file` is a character device that answered `IOC_INFO` as the `resmem` module does, with `info`.
#[derive(Debug)]
pub struct Region {
    file: File,
    info: RegionInfo,
}

impl Region {
    /// Opens the region `label` for reading. `ENOENT` when there is none of that name, `EPERM` without
    /// `CAP_SYS_RAWIO` or under lockdown.
    pub fn open(label: impl AsRef<OsStr>) -> io::Result<Self> {
        Self::open_node(&Path::new(DIRECTORY).join(label.as_ref()), Access::Read)
    }

    /// Opens the region `label` for writing as well. `EACCES` when its node is not marked `writable`.
    pub fn open_writable(label: impl AsRef<OsStr>) -> io::Result<Self> {
        Self::open_node(&Path::new(DIRECTORY).join(label.as_ref()), Access::Write)
    }

    /// Opens a device node. `ENOTTY` when it is not a region's.
    pub fn open_node(node: &Path, access: Access) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::Write)
            .open(node)?;
        Self::from_file(file)
    }

    /// Takes a region that is open already: by a program that may open it, which has handed its descriptor over. What it
    /// is open for stays as it was; the rights of this process are not asked. `ENOTTY` when it is not a region's.
    ///
    /// ```no_run
    /// use resmem::Region;
    ///
    /// // The program that started this one has opened a region as its standard input.
    /// let file = std::fs::File::from(std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?);
    /// let region = Region::from_file(file)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_file(file: File) -> io::Result<Self> {
        if !file.metadata()?.file_type().is_char_device() {
            return Err(Errno::ENOTTY.into());
        }
        let mut info = RegionInfo {
            abi: 0,
            flags: 0,
            base: 0,
            size: 0,
            page_size: 0,
            features: 0,
            label: [0; _],
            reserved: [0; _],
        };
        // SAFETY: The descriptor is open, and `info` is what a region answers with. For another
        // driver the number holds the size of `info` and the direction, and none in the kernel has
        // the same one.
        unsafe { ioctl::info(file.as_raw_fd(), &raw mut info) }?;
        if info.abi == 0 || info.size == 0 {
            return Err(Errno::ENOTTY.into());
        }
        // INVARIANT: It is a character device that answered with a revision and a size.
        Ok(Self { file, info })
    }

    /// What the module said of the region when it was opened.
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// The name of its device node.
    pub fn label(&self) -> &OsStr {
        let label = &self.info.label;
        let end = label.iter().position(|&byte| byte == 0);
        OsStr::from_bytes(&label[..end.unwrap_or(label.len())])
    }

    /// Physical address of the first byte.
    pub fn base(&self) -> u64 {
        self.info.base
    }

    /// Bytes of the region.
    pub fn size(&self) -> u64 {
        self.info.size
    }

    /// Bytes of a page: the granularity of mappings.
    pub fn page_size(&self) -> u32 {
        self.info.page_size
    }

    /// Whether the region may be written to.
    pub fn is_writable(&self) -> bool {
        self.info.flags & REGION_WRITABLE != 0
    }

    /// Whether every page frame has a `struct page`, so that nothing need be copied.
    pub fn has_pages(&self) -> bool {
        self.info.flags & REGION_PAGES != 0
    }

    /// Whether it is a ring whose device's position the module knows.
    pub fn has_position(&self) -> bool {
        self.info.flags & REGION_POSITION != 0
    }

    /// Whether the module can do `FEATURE_*` on this kernel.
    pub fn has_feature(&self, feature: u32) -> bool {
        self.info.features & feature == feature
    }

    /// The open device node: to read from, to poll, to map in a way of one's own.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Maps `range` to be read. `EINVAL` for an empty range, `ENXIO` for memory without `struct page`.
    pub fn map(&self, range: Range<u64>) -> io::Result<Mapping> {
        let length = range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?;
        if length == 0 {
            return Err(Errno::EINVAL.into());
        }
        let length = usize::try_from(length).map_err(|_| Errno::ENOMEM)?;
        Mapping::new(&self.file, range.start, length)
    }

    /// Makes what a device wrote to `range` what processors read. Nothing where caches see what devices do.
    /// Errors: see [`IOC_SYNC`](crate::abi::IOC_SYNC).
    pub fn take_from_device(&self, range: Range<u64>) -> io::Result<()> {
        self.sync(range, SYNC_FOR_CPU)
    }

    /// Makes what processors wrote to `range` what the device reads, and lets the device write it: processors must not
    /// touch it until [`Region::take_from_device`]. Needs [`Access::Write`]. Errors: see
    /// [`IOC_SYNC`](crate::abi::IOC_SYNC).
    pub fn give_to_device(&self, range: Range<u64>) -> io::Result<()> {
        self.sync(range, SYNC_FOR_DEVICE)
    }

    /// Writes zeroes to `range`, by a mapping that is gone afterwards, and gives its pages to the device that shares
    /// the region, if one does. Needs [`Access::Write`]. Errors: `EINVAL` for an empty range, `ENXIO` for memory
    /// without `struct page`, those of [`Region::give_to_device`].
    pub fn zero(&self, range: Range<u64>) -> io::Result<()> {
        Mapping::zero(&self.file, &range)?;
        if self.info.flags & REGION_NONCOHERENT == 0 {
            return Ok(());
        }
        // What was mapped are whole pages, as far as the region has them.
        let page = u64::from(self.page_size());
        let begin = range.start - range.start % page;
        let end = range.end.next_multiple_of(page).min(self.size());
        self.give_to_device(begin..end)
    }

    fn sync(&self, range: Range<u64>, direction: u32) -> io::Result<()> {
        let sync = RegionSync {
            region_offset: range.start,
            length: range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?,
            direction,
            ..RegionSync::default()
        };
        // SAFETY: By the type invariants it is a region; `sync` is valid.
        unsafe { ioctl::sync(self.file.as_raw_fd(), &raw const sync) }?;
        Ok(())
    }

    /// Where the device is in the ring that the region is, read now. Errors: see
    /// [`IOC_POSITION`](crate::abi::IOC_POSITION).
    pub fn position(&self) -> io::Result<RingPosition> {
        let mut position = RingPosition::default();
        // SAFETY: By the type invariants it is a region; `position` is valid for writes.
        unsafe { ioctl::position(self.file.as_raw_fd(), &raw mut position) }?;
        Ok(position)
    }

    /// Publishes the position of a device that this program drives, in the units of the node. Errors: see
    /// [`IOC_DOORBELL`](crate::abi::IOC_DOORBELL).
    pub fn ring_doorbell(&self, raw: u64) -> io::Result<()> {
        let doorbell = RingDoorbell {
            raw,
            ..RingDoorbell::default()
        };
        // SAFETY: By the type invariants it is a region; `doorbell` is valid.
        unsafe { ioctl::doorbell(self.file.as_raw_fd(), &raw const doorbell) }?;
        Ok(())
    }

    /// Tells the device that everything before `position` was taken, so that it may write there again. Errors: see
    /// [`IOC_CONSUMED`](crate::abi::IOC_CONSUMED).
    pub fn consumed(&self, position: u64) -> io::Result<()> {
        let consumed = RingConsumed {
            position,
            ..RingConsumed::default()
        };
        // SAFETY: By the type invariants it is a region; `consumed` is valid.
        unsafe { ioctl::consumed(self.file.as_raw_fd(), &raw const consumed) }?;
        Ok(())
    }

    /// Lets `poll` on [`Region::file`] say `POLLPRI` once the device has reached `position`, and adds 1 to `event`, an
    /// eventfd, then. Replaces what was watched for before on this open file. Errors: see
    /// [`IOC_WATCH`](crate::abi::IOC_WATCH).
    pub fn watch(&self, position: u64, event: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let watch = RingWatch {
            position,
            eventfd: event.map_or(-1, |event| event.as_raw_fd()),
            ..RingWatch::default()
        };
        // SAFETY: By the type invariants it is a region; `watch` is valid. The module takes a reference of its own to
        // the eventfd.
        unsafe { ioctl::watch(self.file.as_raw_fd(), &raw const watch) }?;
        Ok(())
    }

    /// Waits until the device has reached `position`, and no longer than `longest`: whether it has. `EINTR` after a
    /// signal, `ENODEV` when the driver is unbound meanwhile; others as for [`Region::watch`], which it uses.
    pub fn wait_for(&self, position: u64, longest: Duration) -> io::Result<bool> {
        let until = Instant::now().checked_add(longest);
        self.watch(position, None)?;
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            // Rounded up to what poll can count: it must not come back early for ever.
            let wait = left.map_or(PollTimeout::NONE, |left| {
                let left = left + Duration::from_micros(999);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            });
            poll(&mut fds, wait)?;
            let said = fds[0].revents().unwrap_or(PollFlags::empty());
            if said.contains(PollFlags::POLLPRI) {
                return Ok(true);
            }
            if said.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
                return Err(Errno::ENODEV.into());
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
        }
    }

    /// One command of the module: moves bytes between the region and `other`, whose descriptor is filled in here.
    /// Blocks until nothing is in flight. The answer is in `transfer`, also when nothing was moved, which is when the
    /// command fails: see [`IOC_DUMP`](crate::abi::IOC_DUMP) and [`IOC_LOAD`](crate::abi::IOC_LOAD).
    pub fn transfer(
        &self,
        direction: Direction,
        other: impl AsFd,
        transfer: &mut Transfer,
    ) -> io::Result<()> {
        let other = other.as_fd();
        transfer.fd = other.as_raw_fd();
        let command = match direction {
            Direction::Dump => ioctl::dump,
            Direction::Load => ioctl::load,
        };
        // SAFETY: By the type invariants it is a region; both descriptors are open, and `transfer`
        // is valid for reads and writes.
        unsafe { command(self.file.as_raw_fd(), &raw mut *transfer) }?;
        Ok(())
    }

    /// A dma-buf of `range`, whole pages, for another driver to import, or to be mapped: by [`Access::Write`] it may be
    /// written to, which the region has to be open for. It lasts longer than the region's descriptor, and is closed by
    /// `execve`. Errors: see [`IOC_EXPORT`](crate::abi::IOC_EXPORT).
    ///
    /// ```no_run
    /// use resmem::{Access, Region};
    ///
    /// // A frame for a camera that takes V4L2_MEMORY_DMABUF: its driver fills the region's own pages.
    /// let region = Region::open_writable("camera")?;
    /// let frame = region.export(0..640 * 480, Access::Write)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn export(&self, range: Range<u64>, access: Access) -> io::Result<OwnedFd> {
        let length = range.end.checked_sub(range.start).ok_or(Errno::EINVAL)?;
        if length == 0 {
            return Err(Errno::EINVAL.into());
        }
        let write = match access {
            Access::Read => 0,
            Access::Write => EXPORT_WRITE,
        };
        let mut export = RegionExport {
            region_offset: range.start,
            length,
            flags: EXPORT_CLOEXEC | write,
            ..RegionExport::default()
        };
        // SAFETY: By the type invariants it is a region; `export` is valid for reads and writes.
        unsafe { ioctl::export(self.file.as_raw_fd(), &raw mut export) }?;
        // SAFETY: The command has made the descriptor, for us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
    }

    /// Lets the module fill all of `map`, pages of which nothing forms a reference, from `offset` of the region on, and
    /// add 1 to `event` at the end. The pages are pinned: they stay what they are when `map` goes earlier.
    pub(crate) fn begin_snapshot(
        &self,
        map: &MmapRaw,
        offset: u64,
        event: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let asked = Snapshot {
            address: map.as_mut_ptr().addr() as u64,
            length: map.len() as u64,
            region_offset: offset,
            eventfd: event.as_raw_fd(),
            ..Snapshot::default()
        };
        // SAFETY: By the type invariants it is a region; `asked` is valid, and what it names is mapped and has no
        // references to it, as the caller says.
        unsafe { ioctl::snapshot(self.file.as_raw_fd(), &raw const asked) }?;
        Ok(())
    }

    pub(crate) fn snapshot_status(&self) -> io::Result<SnapshotStatus> {
        let mut status = SnapshotStatus::default();
        // SAFETY: By the type invariants it is a region; `status` is valid for writes.
        unsafe { ioctl::snapshot_status(self.file.as_raw_fd(), &raw mut status) }?;
        Ok(status)
    }
}

impl AsFd for Region {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_region_is_refused() {
        let errno = |path: &str| {
            let error = Region::open_node(Path::new(path), Access::Read).unwrap_err();
            error.raw_os_error().map(Errno::from_raw)
        };
        assert_eq!(errno("/dev/null"), Some(Errno::ENOTTY));
        assert_eq!(errno("/proc/self/exe"), Some(Errno::ENOTTY));
        assert_eq!(errno("/nonexistent"), Some(Errno::ENOENT));
        assert!(Region::open("no-such-region").is_err());
        let file = File::open("/dev/null").unwrap();
        let error = Region::from_file(file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
