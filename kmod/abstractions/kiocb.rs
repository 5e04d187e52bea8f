// SPDX-License-Identifier: GPL-2.0

//! One direct-I/O request in flight: a kiocb, its bvec, and a completion to wait for it. Who may touch
//! what, and when, is in [`super::landing`].
//!
//! The way in-tree nvmet writes to files (`drivers/nvme/target/io-cmd-file.c`): an `ITER_BVEC`
//! iterator over pages that stay where they are, handed to the file's own `write_iter` with a
//! completion callback. Nothing is mapped, pinned or copied.
//!
//! No lock is taken here. The callback may run in interrupt context.

use core::marker::PhantomPinned;

use kernel::{
    bindings,
    fs::LocalFile,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

use super::{
    block::Block,
    bvec::Span,
    ffi,
    landing,
    sync::{
        Completion,
        HandOver, //
    }, //
};

/// Bytes of a bounce buffer: at most what the page allocator retries for (`PAGE_ALLOC_COSTLY_ORDER`).
pub(crate) const BOUNCE: u32 = 32 << 10;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Memory to file.
    Dump,
    /// File to memory.
    Load,
}

/// The memory end of a request.
pub(crate) enum Bytes<'a> {
    /// Bytes of a region.
    Region(&'a Span),
    /// So many of the slot's own, from the begin of [`Request::buffer`] on.
    Buffer(u32),
}

/// The file end of a request.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a LocalFile,
    pub(crate) direction: Direction,
    /// The first byte within the file.
    pub(crate) position: i64,
    /// Go through the file's page cache, and to the medium before the request ends.
    pub(crate) cached: bool,
}

/// A slot that holds one request at a time.
///
/// # Invariants
///
/// - While `in_flight`, `file` is `Some` and may use `kiocb`, `bvec` and what that describes until it calls the
///   callback, which sets `result` and completes `done`. Nothing else touches them meanwhile.
/// - Otherwise nothing outside this slot refers to it.
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
    in_flight: bool,
    /// Of the last request: the next is mostly for the same.
    file: Option<ARef<LocalFile>>,
    bounce: Option<Block>,
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
            in_flight: false,
            file: None,
            bounce: None,
            queued: None,
            _pin: PhantomPinned,
        })
    }

    /// The first `length` bytes of the slot's own memory, at most [`BOUNCE`]: what they were last used for.
    ///
    /// May sleep. Errors: `EBUSY` when a request is in flight, `EINVAL` for more than there are, `ENOMEM`.
    pub(crate) fn buffer(self: Pin<&mut Self>, length: usize) -> Result<&mut [u8]> {
        let this = self.project();
        if *this.in_flight {
            return Err(EBUSY);
        }
        let bounce = match this.bounce {
            Some(bounce) => bounce,
            None => this.bounce.insert(Block::new(BOUNCE as usize)?),
        };
        bounce.bytes_mut().get_mut(..length).ok_or(EINVAL)
    }

    /// Starts moving `bytes` to (from) `place`.
    ///
    /// May sleep until the block layer has room. The result, an error included, is what
    /// [`Self::wait`] returns. Errors: `EBUSY` when a request is in flight, `EINVAL` for more bytes than
    /// the buffer has, or before [`Self::buffer`] was asked for.
    pub(crate) fn submit(self: Pin<&mut Self>, bytes: Bytes<'_>, place: Place<'_>) -> Result {
        let this = self.project();
        if *this.in_flight {
            return Err(EBUSY);
        }
        let vector = match (bytes, &*this.bounce) {
            (Bytes::Region(span), _) => span.as_bvec(),
            (Bytes::Buffer(length), Some(bounce)) if length as usize <= bounce.len() => {
                bounce.as_bvec(length)
            }
            (Bytes::Buffer(_), _) => return Err(EINVAL),
        };

        let file = match this.file {
            Some(file) if file.as_ptr() == place.file.as_ptr() => file,
            file => file.insert(place.file.into()),
        };
        let (kiocb, bvec) = (this.kiocb.get(), this.bvec.get());
        let mut flags = 0;
        if !place.cached {
            flags |= bindings::IOCB_DIRECT;
        }
        let (callback, iov_direction) = match place.direction {
            Direction::Dump => {
                flags |= bindings::IOCB_WRITE;
                if place.cached {
                    flags |= ffi::RESMEM_IOCB_DSYNC;
                }
                (
                    ffi::resmem_kiocb_written as unsafe extern "C" fn(_, _),
                    bindings::ITER_SOURCE,
                )
            }
            Direction::Load => (
                ffi::resmem_kiocb_read as unsafe extern "C" fn(_, _),
                bindings::ITER_DEST,
            ),
        };

        // SAFETY: Nothing is in flight, so by the type invariants we are alone with these fields.
        // The `kiocb` gets what `init_sync_kiocb()` and a callback give it (without a priority the
        // block layer takes the process's); `bvec` describes bytes of a `Span`, which are reserved for
        // good, or the bounce buffer, which is ours until the request ends.
        unsafe {
            bvec.write(vector);
            // A process that shares the descriptor can have changed them since they were checked.
            let own =
                (*file.as_ptr()).f_iocb_flags & !(bindings::IOCB_DIRECT | ffi::RESMEM_IOCB_APPEND);
            kiocb.write(bindings::kiocb {
                ki_filp: file.as_ptr(),
                ki_pos: place.position,
                ki_complete: Some(callback),
                ki_flags: (own | flags) as i32,
                ..pin_init::zeroed()
            });
        }
        // INVARIANT: From here on the request counts as in flight: either the call below queues it
        // and the callback ends it, or we end it at once.
        *this.in_flight = true;

        let iter = Opaque::<bindings::iov_iter>::uninit();
        let length = vector.bv_len as usize;
        // SAFETY: `kiocb` and `bvec` were set up above and stay where they are, the slot being
        // pinned, until the callback has run; `iter` is only used during the calls, which check how the
        // file was opened.
        let ret = unsafe {
            bindings::iov_iter_bvec(iter.get(), iov_direction, bvec, 1, length);
            match place.direction {
                Direction::Dump => {
                    bindings::vfs_iocb_iter_write((*kiocb).ki_filp, kiocb, iter.get())
                }
                Direction::Load => {
                    bindings::vfs_iocb_iter_read((*kiocb).ki_filp, kiocb, iter.get())
                }
            }
        };
        let queued = ret == -(bindings::EIOCBQUEUED as isize);
        *this.queued = queued.then_some(place.direction);
        if !queued {
            // SAFETY: The request was not queued, so the callback is not called for it, and we
            // take its place.
            unsafe { landing::leave(&this.result, &this.done, ret) }.complete();
        }
        Ok(())
    }

    /// Waits for the request in flight and returns what the file said, bytes or an error, and the buffer of
    /// the slot: what a load filled, from its begin on.
    ///
    /// Sleeps. With `interruptible`, a signal ends the wait with `EINTR` and the request stays in
    /// flight. `EINVAL` when nothing is in flight.
    pub(crate) fn wait(
        self: Pin<&mut Self>,
        interruptible: bool,
    ) -> Result<(Result<usize>, &[u8])> {
        let this = self.project();
        if !*this.in_flight {
            return Err(EINVAL);
        }
        // SAFETY: A request is in flight by the type invariants, and we have the slot to ourselves.
        let ended = unsafe { landing::wait(&this.result, &this.done, interruptible) };
        let ret = ended.ok_or(EINTR)?;
        if let (Some(file), Some(direction), 1..) = (&this.file, this.queued.take(), ret) {
            // The calls in `submit` notify watchers of the file only of what was done at once.
            // SAFETY: We hold a reference to the file.
            unsafe { ffi::resmem_notify(file.as_ptr(), direction == Direction::Dump) };
        }
        // INVARIANT: The request has ended, nothing refers to the slot any more.
        *this.in_flight = false;
        Ok((outcome(ret), this.bounce.as_ref().map_or(&[], Block::bytes)))
    }
}

#[pinned_drop]
impl PinnedDrop for Request {
    fn drop(self: Pin<&mut Self>) {
        // A request in flight refers to the slot. Nothing can be done about it but to wait: block
        // requests cannot be called back.
        let _ = self.wait(false);
    }
}

/// Leaves the result of the request whose `ki_complete` was called, and returns the completion of its
/// waiter: completing that is the caller's last act, in `leave.c`. Any context.
///
/// # Safety
///
/// Called once for a `kiocb` that [`Request::submit`] handed out, when the request has ended.
#[no_mangle]
unsafe extern "C" fn resmem_request_landed(
    kiocb: *mut bindings::kiocb,
    ret: c_long,
) -> *mut bindings::completion {
    // SAFETY: `kiocb` is the field of a `Request`, which stays where it is while in flight. Only
    // fields of which the type invariants say that they are ours now are touched, and both may
    // change or go away behind a reference once the completion is completed, and not before.
    unsafe {
        let request = kernel::container_of!(Opaque::cast_from(kiocb), Request, kiocb);
        landing::leave(&(*request).result, &(*request).done, ret).as_raw()
    }
}

/// What `write_iter` or `read_iter` returned.
fn outcome(ret: isize) -> Result<usize> {
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as i32))
}

#[kunit_tests(resmem_kiocb)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_returns_is_bytes_or_an_error() {
        assert_eq!(outcome(4096), Ok(4096));
        assert_eq!(outcome(-28), Err(ENOSPC));
    }
}
