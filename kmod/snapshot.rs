// SPDX-License-Identifier: GPL-2.0

//! Fills a user's buffer from a region in a kernel worker while the caller goes on.
//!
//! Lock order: none; `buffer` is taken by the worker alone and for a moment only.

use kernel::{
    bindings,
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        poll::PollCondVar,
        Arc,
        Completion,
        Mutex, //
    },
    workqueue::{
        Queue,
        Work,
        WorkItem, //
    }, //
};

use crate::{
    abi,
    dma::Owner,
    eventfd::EventFd,
    pinned::PinnedBuffer,
    range,
    region::Region, //
};

/// A snapshot that runs or has ended.
#[pin_data]
pub(crate) struct Snapshot {
    region: Arc<Region>,
    region_offset: u64,
    event: Option<EventFd>,
    #[pin]
    buffer: Mutex<Option<PinnedBuffer>>,
    cancelled: Atomic<bool>,
    ended: Atomic<bool>,
    /// Bytes copied, and the errno that ended it; valid at any time, final once `ended`.
    copied: Atomic<usize>,
    error: Atomic<i32>,
    #[pin]
    poll: PollCondVar,
    #[pin]
    done: Completion,
    #[pin]
    work: Work<Snapshot>,
}

impl_has_work! {
    impl HasWork<Self> for Snapshot { self.work }
}

impl Snapshot {
    /// Checks the request, pins the buffer and hands the job to a worker. Sleeps. Errors: see
    /// [`abi::IOC_SNAPSHOT`].
    pub(crate) fn start(region: &Arc<Region>, asked: &abi::Snapshot) -> Result<Arc<Self>> {
        if asked.flags != 0 || asked.reserved != [0; 4] || asked.length > abi::SNAPSHOT_MAX {
            return Err(EINVAL);
        }
        range::within(asked.region_offset, asked.length, region.memory().size())?;
        let event = match asked.eventfd {
            -1 => None,
            fd => Some(EventFd::new(fd)?),
        };
        let buffer = PinnedBuffer::new(asked.address, asked.length)?;
        let region = region.clone();
        let region_offset = asked.region_offset;
        let snapshot = Arc::pin_init(
            pin_init!(Self {
                region,
                region_offset,
                event,
                buffer <- new_mutex!(Some(buffer)),
                cancelled: Atomic::new(false),
                ended: Atomic::new(false),
                copied: Atomic::new(0),
                error: Atomic::new(0),
                poll <- kernel::new_poll_condvar!("resmem_snapshot"),
                done <- Completion::new(),
                work <- new_work!("resmem_snapshot"),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: A C global, set at boot, never freed.
        let queue = unsafe { Queue::from_raw(bindings::system_dfl_wq) };
        let _ = queue.enqueue(snapshot.clone());
        Ok(snapshot)
    }

    /// Whether the worker is done, and the buffer the caller's again.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// What wakes those who poll.
    pub(crate) fn poll(&self) -> &PollCondVar {
        &self.poll
    }

    /// The answer to [`abi::IOC_SNAPSHOT_STATUS`].
    pub(crate) fn status(&self) -> abi::SnapshotStatus {
        let state = if self.has_ended() {
            abi::SNAPSHOT_DONE
        } else {
            abi::SNAPSHOT_RUNNING
        };
        abi::SnapshotStatus {
            copied: self.copied.load(Relaxed) as u64,
            state,
            error: self.error.load(Relaxed).unsigned_abs(),
            reserved: [0; 2],
        }
    }

    /// Stops the worker at the next page and waits until it is done. Sleeps.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
        self.done.wait_for_completion();
    }

    fn fill(&self, buffer: &PinnedBuffer) -> Result {
        self.region
            .hand_over(self.region_offset, buffer.len() as u64, Owner::Cpu)?;
        let mut at = 0;
        while at < buffer.len() {
            if self.cancelled.load(Relaxed) {
                return Err(ECANCELED);
            }
            let from = self.region_offset + at as u64;
            at += buffer.with_piece(at, |to, length| {
                // SAFETY: `to` is valid for `length` bytes.
                unsafe { self.region.memory().copy_out_raw(from, to, length) }
            })?;
            self.copied.store(at, Relaxed);
        }
        Ok(())
    }
}

impl WorkItem for Snapshot {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let buffer = this.buffer.lock().take();
        let result = buffer
            .as_ref()
            .map_or(Err(EINVAL), |buffer| this.fill(buffer));
        if let Err(error) = result {
            this.error.store(error.to_errno(), Relaxed);
        }
        // Unpinned before anybody is told.
        drop(buffer);
        this.ended.store(true, Release);
        if let Some(event) = &this.event {
            event.signal();
        }
        this.poll.notify_all();
        this.done.complete_all();
    }
}
