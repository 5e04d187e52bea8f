// SPDX-License-Identifier: GPL-2.0

//! A reserved region: where it is, what it is called, what may be done with it.
//!
//! Lock order: `Region::lent` is taken last, and nothing is taken while it is held.

use core::ops::Range;

use kernel::{
    device::{
        Core,
        Device, //
    },
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::Mutex, //
};

use crate::{
    abi,
    abstractions::{
        dma::{
            self,
            Access,
            Dma, //
        },
        memory::Memory,
        sync::{
            Atomic,
            Relaxed, //
        },
        task, //
    },
    lent::Lent,
    range,
    refusal::Refusal, //
};

/// What may touch the bytes from now on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The processors.
    Cpu,
    /// The device.
    Device,
}

impl TryFrom<u32> for Owner {
    type Error = Error;

    /// From `SYNC_FOR_*`.
    fn try_from(direction: u32) -> Result<Self> {
        match direction {
            abi::SYNC_FOR_CPU => Ok(Self::Cpu),
            abi::SYNC_FOR_DEVICE => Ok(Self::Device),
            _ => Err(EINVAL),
        }
    }
}

/// Most bytes that change hands with the lock held: a thread that waits for it, waits for that.
const STEP: u64 = 16 << 20;

/// A reserved region of physical memory. Its content is never touched by creating or dropping one.
#[pin_data]
pub(crate) struct Region {
    label: CString,
    writable: bool,
    memory: Memory,
    access: Access,
    noncoherent: bool,
    bound: Atomic<bool>,
    /// Of a region that a device shares and whose caches are not coherent, while the driver is bound.
    #[pin]
    lent: Mutex<Option<Lent<Dma>>>,
}

impl Region {
    /// Describes the region of `size` bytes at physical address `base`, which `device` shares, if there is
    /// one, as is said with it.
    ///
    /// Refusals: `EINVAL` for a label that cannot be a file name; those of [`Memory::new`] and [`Dma::new`];
    /// `ENOSPC` for a shared region whose memory has more gaps than can be kept.
    pub(crate) fn new(
        label: CString,
        base: u64,
        size: u64,
        writable: bool,
        device: Option<(&Device<Core<'_>>, Access)>,
    ) -> Result<impl PinInit<Self, Error>, Refusal> {
        if !label_is_usable(label.to_bytes()) {
            return Err(Refusal::new(
                EINVAL,
                c"its label is no plain file name of 1 to 63 characters",
            ));
        }
        let sharer = device.filter(|(device, _)| !dma::is_coherent(device));
        let memory = Memory::new(base, size, sharer.is_some())?;
        let lent = match sharer {
            Some((device, access)) => {
                let dma = Dma::new(device, &memory, access, writable)?;
                Some(Lent::new(dma).map_err(unmapped)?)
            }
            None => None,
        };
        let access = device.map(|(_, access)| access).unwrap_or_default();
        Ok(try_pin_init!(Self {
            label,
            writable,
            memory,
            access,
            noncoherent: lent.is_some(),
            bound: Atomic::new(true),
            lent <- new_mutex!(lent),
        }? Error))
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

    /// Does what [`abi::IOC_SYNC`] says, also for the errors, for a descriptor that `may_write` or not. May sleep.
    pub(crate) fn sync(&self, offset: u64, length: u64, owner: Owner, may_write: bool) -> Result {
        range::within(offset, length, self.memory.size())?;
        if !(self.access.writes || self.access.reads) {
            return Err(EOPNOTSUPP);
        }
        match owner {
            Owner::Cpu if may_write => self.take(offset, length),
            Owner::Cpu => self.look(offset, length),
            Owner::Device if !self.writable => Err(EPERM),
            Owner::Device if !may_write => Err(EBADF),
            Owner::Device => self.give(offset, length),
        }
    }

    /// Processors see from now on what the device has written to `length` bytes from `offset` on, which are in
    /// the region. The owner stays the same, and so does what is in memory.
    ///
    /// May sleep. Errors here and below: `ENODEV` when the driver is unbound, `EINTR` when the process is
    /// killed, `EIO` when the range cannot be mapped for the device.
    pub(crate) fn look(&self, offset: u64, length: u64) -> Result {
        self.in_steps(offset, length, |lent, range| lent.look(range))
    }

    /// The range is the processors', which may write to it. `ENOSPC`: see [`abi::IOC_SYNC`].
    pub(crate) fn take(&self, offset: u64, length: u64) -> Result {
        self.in_steps(offset, length, |lent, range| lent.take(range))
    }

    /// The range is the device's. `EBUSY`, `ENOSPC`: see [`abi::IOC_SYNC`].
    pub(crate) fn give(&self, offset: u64, length: u64) -> Result {
        self.in_steps(offset, length, |lent, range| lent.give(range))
    }

    /// A load into the range begins; unless `take`, its owner does not change. Errors: see [`abi::IOC_LOAD`].
    pub(crate) fn begin_load(&self, offset: u64, length: u64, take: bool) -> Result {
        self.with_lent(|lent| lent.begin_load(offset..offset + length, take))
    }

    /// That load has ended; with `give` its range is the device's.
    pub(crate) fn end_load(&self, offset: u64, length: u64, give: bool) -> Result {
        match self.with_lent(|lent| lent.end_load(offset..offset + length, give)) {
            Err(ENODEV) if !give => Ok(()),
            result => result,
        }
    }

    /// Nothing where nothing needs to be done.
    fn with_lent(&self, change: impl FnOnce(&mut Lent<Dma>) -> Result) -> Result {
        if !self.noncoherent {
            return Ok(());
        }
        match &mut *self.lent.lock() {
            Some(lent) => change(lent),
            None => Err(ENODEV),
        }
    }

    fn in_steps(
        &self,
        offset: u64,
        length: u64,
        mut change: impl FnMut(&mut Lent<Dma>, Range<u64>) -> Result,
    ) -> Result {
        if !self.noncoherent {
            return Ok(());
        }
        let (mut at, end) = (offset, offset + length);
        while at < end {
            let next = end.min(at.saturating_add(STEP));
            self.with_lent(|lent| change(lent, at..next))?;
            at = next;
            if at < end && task::is_being_killed() {
                return Err(EINTR);
            }
        }
        Ok(())
    }

    /// Whether looking does anything: then it may take a lock, and a long time.
    pub(crate) fn look_sleeps(&self) -> bool {
        self.noncoherent
    }

    /// The driver is being unbound: the device is not ours from now on. May be called again.
    pub(crate) fn unbind(&self) {
        self.bound.store(false, Relaxed);
        *self.lent.lock() = None;
    }

    /// Whether its driver is bound, or was just a moment ago.
    #[cfg(CONFIG_DMA_SHARED_BUFFER)]
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.load(Relaxed)
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
        } else if self.memory.frames().some_have_pages() {
            flags |= abi::REGION_SOME_PAGES;
        }
        if self.access.writes {
            flags |= abi::REGION_DEVICE_WRITES;
        }
        if self.access.reads {
            flags |= abi::REGION_DEVICE_READS;
        }
        if self.noncoherent {
            flags |= abi::REGION_NONCOHERENT;
        }
        abi::RegionInfo {
            abi: abi::ABI_REVISION,
            flags,
            base: self.memory.base(),
            size: self.memory.size(),
            page_size: PAGE_SIZE as u32,
            features: features(),
            label,
            reserved: [0; 4],
        }
    }
}

fn unmapped(error: Error) -> Refusal {
    Refusal::new(error, c"it cannot be mapped for its device")
}

/// What this module can do on this kernel.
fn features() -> u32 {
    let register = match cfg!(CONFIG_IO_URING) {
        true => abi::FEATURE_REGISTER,
        false => 0,
    };
    let export = match cfg!(CONFIG_DMA_SHARED_BUFFER) {
        true => abi::FEATURE_EXPORT,
        false => 0,
    };
    let rings = abi::FEATURE_POSITION | abi::FEATURE_CONSUMED | abi::FEATURE_TRIGGER;
    abi::FEATURE_SNAPSHOT | abi::FEATURE_SYNC | rings | register | export
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
