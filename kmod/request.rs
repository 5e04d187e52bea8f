// SPDX-License-Identifier: GPL-2.0

//! One direct-I/O request in flight: a kiocb, its bvec, and a completion to wait for it. Who may touch
//! what, and when, is in [`crate::inflight`].
//!
//! The way in-tree nvmet writes to files (`drivers/nvme/target/io-cmd-file.c`): an `ITER_BVEC`
//! iterator over pages that the caller owns, handed to the file's own `write_iter` with a
//! completion callback. Nothing is mapped, pinned or copied.
//!
//! No lock is taken here. The callback may run in interrupt context.

use core::marker::PhantomPinned;

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings,
    fs::LocalFile,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

use crate::{
    ffi,
    inflight,
    memory::Memory,
    range::{
        Piece,
        Way, //
    },
    sync::{
        Completion,
        HandOver, //
    },
    target::{
        Direction,
        Target, //
    }, //
};

/// Bytes of a bounce buffer: what `kmalloc()` still has without trouble.
pub(crate) const BOUNCE: u32 = 32 << 10;

/// A slot that holds one request at a time.
///
/// # Invariants
///
/// - While `file` is `Some`, a request is in flight: the block layer may read `bvec` and, if that
///   points there, use `bounce`, and `finish` will be called exactly once with a pointer to `kiocb`;
///   until then nobody else touches `kiocb`, `bvec`, `bounce` or `result`.
/// - While `file` is `None`, nothing outside this slot refers to it.
#[pin_data(PinnedDrop)]
pub(crate) struct Request {
    #[pin]
    kiocb: Opaque<bindings::kiocb>,
    #[pin]
    bvec: Opaque<bindings::bio_vec>,
    #[pin]
    done: Completion,
    #[pin]
    result: HandOver<isize>,
    file: Option<ARef<LocalFile>>,
    bounce: KVec<u8>,
    loads_to: Option<u64>,
    /// Of a request that the file did not end at once: which way.
    queued: Option<Direction>,
    #[pin]
    _pin: PhantomPinned,
}

impl Request {
    /// An idle slot.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            kiocb: Opaque::zeroed(),
            bvec: Opaque::zeroed(),
            done <- Completion::new(),
            result: HandOver::new(0),
            file: None,
            bounce: KVec::new(),
            loads_to: None,
            queued: None,
            _pin: PhantomPinned,
        })
    }

    /// Starts moving a piece of the region, from byte `offset` on, to (from) `position` of `target`.
    /// A cached piece is on the medium when it ends.
    ///
    /// May sleep until the block layer has room. The result, an error included, is what
    /// [`Self::wait`] returns. Errors: `EBUSY` when a request is in flight, `ENXIO` when a direct
    /// piece has memory without a page, `ENOMEM` for want of a bounce buffer.
    pub(crate) fn submit(
        mut self: Pin<&mut Self>,
        target: &Target,
        memory: &Memory,
        offset: u64,
        piece: Piece,
        position: i64,
    ) -> Result {
        if self.file.is_some() {
            return Err(EBUSY);
        }
        let length = piece.length as usize;
        let (page, bv_offset) = if piece.way == Way::Direct {
            let (index, within) = memory.locate(offset);
            let count = (within + length).div_ceil(PAGE_SIZE);
            if memory.frames().pages_from(index) < count {
                return Err(ENXIO);
            }
            (memory.frames().page(index)?.as_ptr(), within as u32)
        } else {
            let bounce = self.as_mut().project().bounce;
            if bounce.capacity() == 0 {
                *bounce = KVec::with_capacity(BOUNCE as usize, GFP_KERNEL)?;
            }
            bounce.resize(length, 0, GFP_KERNEL)?;
            if target.direction() == Direction::Dump {
                memory.copy_out(offset, bounce)?;
            }
            // SAFETY: Memory of `kmalloc()`, contiguous, and aligned to its size as that is a power
            // of two.
            let page = unsafe { ffi::resmem_kmalloc_to_page(bounce.as_ptr().cast()) };
            (page, (bounce.as_ptr().addr() % PAGE_SIZE) as u32)
        };

        let this = self.project();
        let file = target.file().clone();
        let (kiocb, bvec) = (this.kiocb.get(), this.bvec.get());
        let mut flags = 0;
        if piece.way != Way::Cached {
            flags |= bindings::IOCB_DIRECT;
        }
        let (callback, iov_direction) = match target.direction() {
            Direction::Dump => {
                flags |= bindings::IOCB_WRITE;
                if piece.way == Way::Cached {
                    flags |= ffi::RESMEM_IOCB_DSYNC;
                }
                (
                    finish_dump as unsafe extern "C" fn(_, _),
                    bindings::ITER_SOURCE,
                )
            }
            Direction::Load => (
                finish_load as unsafe extern "C" fn(_, _),
                bindings::ITER_DEST,
            ),
        };

        // SAFETY: Nothing is in flight, so by the type invariants we are alone with these fields.
        // The `kiocb` gets what `init_sync_kiocb()` and a callback give it (without a priority the
        // block layer takes the process's); `bvec` describes bytes of frames which all have pages,
        // whose `struct page`s are one array and which are reserved for good, or the bounce buffer,
        // which is ours until the request ends.
        unsafe {
            bvec.write(bindings::bio_vec {
                bv_page: page,
                bv_len: piece.length,
                bv_offset,
            });
            kiocb.write(pin_init::zeroed());
            (*kiocb).ki_filp = file.as_ptr();
            (*kiocb).ki_pos = position;
            (*kiocb).ki_complete = Some(callback);
            // Who shares the descriptor can have changed them since they were checked.
            let own =
                (*file.as_ptr()).f_iocb_flags & !(bindings::IOCB_DIRECT | ffi::RESMEM_IOCB_APPEND);
            (*kiocb).ki_flags = (own | flags) as i32;
        }
        // INVARIANT: From here on the request counts as in flight: either the call below queues it
        // and the callback ends it, or we end it at once.
        *this.file = Some(file);
        let loads = target.direction() == Direction::Load && piece.way != Way::Direct;
        *this.loads_to = loads.then_some(offset);

        let iter = Opaque::<bindings::iov_iter>::uninit();
        // SAFETY: `kiocb` and `bvec` were set up above and stay where they are, the slot being
        // pinned, until the callback has run; `iter` is only used during the calls. The file was
        // checked to be open for this direction.
        let ret = unsafe {
            bindings::iov_iter_bvec(iter.get(), iov_direction, bvec, 1, length);
            match target.direction() {
                Direction::Dump => {
                    bindings::vfs_iocb_iter_write((*kiocb).ki_filp, kiocb, iter.get())
                }
                Direction::Load => {
                    bindings::vfs_iocb_iter_read((*kiocb).ki_filp, kiocb, iter.get())
                }
            }
        };
        let queued = ret == -(bindings::EIOCBQUEUED as isize);
        *this.queued = queued.then_some(target.direction());
        if !queued {
            // SAFETY: The request was not queued, so the callback is not called for it, and we
            // take its place.
            unsafe { finish(kiocb, ret) };
        }
        Ok(())
    }

    /// Waits for the request in flight and returns what the file said: bytes, or an error. What was
    /// loaded into the bounce buffer is then in `memory`.
    ///
    /// Sleeps. With `interruptible`, a signal ends the wait with `EINTR` and the request stays in
    /// flight. `EINVAL` when nothing is in flight.
    pub(crate) fn wait(
        self: Pin<&mut Self>,
        memory: &Memory,
        interruptible: bool,
    ) -> Result<Result<usize>> {
        let (result, loaded_to, bounce) = self.wait_for_file(interruptible)?;
        Ok(result.and_then(|bytes| {
            if let (Some(offset), Some(loaded @ [_, ..])) = (loaded_to, bounce.get(..bytes)) {
                memory.copy_in(offset, loaded)?;
            }
            Ok(bytes)
        }))
    }

    /// The request's result, where a load into the bounce buffer belongs, and the buffer.
    fn wait_for_file(
        self: Pin<&mut Self>,
        interruptible: bool,
    ) -> Result<(Result<usize>, Option<u64>, &KVec<u8>)> {
        let this = self.project();
        if this.file.is_none() {
            return Err(EINVAL);
        }
        // SAFETY: A request is in flight by the type invariants, and we have the slot to ourselves.
        let ended = unsafe { inflight::wait(&this.result, &this.done, interruptible) };
        let ret = ended.ok_or(EINTR)?;
        if let (Some(file), Some(direction), 1..) = (&this.file, this.queued.take(), ret) {
            // The calls in `submit` tell those who watch the file of what was done at once only.
            // SAFETY: We hold a reference to the file.
            unsafe { ffi::resmem_notify(file.as_ptr(), direction == Direction::Dump) };
        }
        // INVARIANT: `finish` has run, nothing refers to the slot any more.
        *this.file = None;
        let result = usize::try_from(ret).map_err(|_| Error::from_errno(ret as i32));
        Ok((result, this.loads_to.take(), this.bounce))
    }
}

#[pinned_drop]
impl PinnedDrop for Request {
    fn drop(self: Pin<&mut Self>) {
        // A request in flight refers to the slot. Nothing can be done about it but to wait: block
        // requests cannot be called back.
        let _ = self.wait_for_file(false);
    }
}

/// `ki_complete` of a dump.
///
/// # Safety
///
/// Called by the file's `write_iter`, once, for a `kiocb` that [`Request::submit`] queued.
unsafe extern "C" fn finish_dump(kiocb: *mut bindings::kiocb, ret: c_long) {
    // SAFETY: `vfs_iocb_iter_write()` took write access to the superblock and leaves it to us to
    // end that for a request that was queued.
    unsafe { ffi::resmem_kiocb_end_write(kiocb) };
    // SAFETY: By our own requirements.
    unsafe { finish(kiocb, ret) };
}

/// `ki_complete` of a load.
///
/// # Safety
///
/// Called by the file's `read_iter`, once, for a `kiocb` that [`Request::submit`] queued.
unsafe extern "C" fn finish_load(kiocb: *mut bindings::kiocb, ret: c_long) {
    // SAFETY: By our own requirements.
    unsafe { finish(kiocb, ret) };
}

/// Ends a request: stores its result and wakes the waiter. Any context.
///
/// # Safety
///
/// `kiocb` is that of a [`Request`] in flight, and this is the one call that ends it.
unsafe fn finish(kiocb: *mut bindings::kiocb, ret: isize) {
    // SAFETY: `kiocb` is the field of a `Request`, which stays where it is while in flight. Only
    // fields of which the type invariants say that they are ours now are touched, and both may
    // change or go away behind a reference.
    unsafe {
        let request = kernel::container_of!(Opaque::cast_from(kiocb), Request, kiocb);
        inflight::finish(&(*request).result, &(*request).done, ret);
    }
}
