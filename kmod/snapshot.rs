// SPDX-License-Identifier: GPL-2.0

//! Fills a user's buffer from a region in a kernel worker while the caller continues.
//!
//! [`crate::job`] says when a thread may see and stop the worker.
//!
//! Lock order: `buffer` is taken alone, by the worker, and for a moment only. The worker takes the
//! region's lock, and never that of an open file: a thread that holds that may wait for the worker.

use kernel::{
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    workqueue::{
        Work,
        WorkItem, //
    }, //
};

use crate::{
    abi,
    abstractions::{
        eventfd::EventFd,
        pinned::PinnedBuffer,
        worker, //
    },
    job::Job,
    range,
    region::Region,
    watchers::Watchers, //
};

/// A snapshot that runs or has ended.
#[pin_data]
pub(crate) struct Snapshot {
    region: Arc<Region>,
    region_offset: u64,
    event: Option<EventFd>,
    #[pin]
    buffer: Mutex<Option<PinnedBuffer>>,
    job: Job,
    watchers: Arc<Watchers>,
    #[pin]
    work: Work<Snapshot>,
}

impl_has_work! {
    impl HasWork<Self> for Snapshot { self.work }
}

impl Snapshot {
    /// Checks the request and pins the buffer, for a job that notifies `watchers` of its end. Sleeps, for as long
    /// as the process's memory takes to be there: no lock should be held. Errors: see [`abi::IOC_SNAPSHOT`].
    pub(crate) fn new(
        region: &Arc<Region>,
        watchers: Arc<Watchers>,
        asked: &abi::Snapshot,
    ) -> Result<Arc<Self>> {
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
        Arc::pin_init(
            pin_init!(Self {
                region,
                region_offset,
                event,
                buffer <- new_mutex!(Some(buffer)),
                job: Job::new(),
                watchers,
                work <- new_work!("resmem_snapshot"),
            }),
            GFP_KERNEL,
        )
    }

    /// Hands the job to a worker. To be called once. Does not sleep.
    pub(crate) fn start(self: &Arc<Self>) {
        worker::start(self.clone());
    }

    /// Whether the worker is done, and the buffer the caller's again.
    pub(crate) fn has_ended(&self) -> bool {
        self.job.has_ended()
    }

    /// The answer to [`abi::IOC_SNAPSHOT_STATUS`].
    pub(crate) fn status(&self) -> abi::SnapshotStatus {
        let status = self.job.status();
        abi::SnapshotStatus {
            copied: status.bytes as u64,
            state: if status.ended {
                abi::SNAPSHOT_DONE
            } else {
                abi::SNAPSHOT_RUNNING
            },
            error: status.error.unsigned_abs(),
            reserved: [0; 2],
        }
    }

    /// Stops the worker at the next page and waits until it has left the module's code, which may
    /// be unloaded after that. Sleeps.
    pub(crate) fn stop(&self) {
        self.job.cancel();
        worker::flush::<Self, 0>(self);
    }

    fn fill(&self, buffer: &PinnedBuffer) -> Result {
        self.region.look(self.region_offset, buffer.len() as u64)?;
        let mut at = 0;
        while at < buffer.len() {
            if self.job.is_cancelled() {
                return Err(ECANCELED);
            }
            let from = self.region_offset + at as u64;
            at += buffer.fill(at, self.region.memory(), from)?;
            self.job.advance(at);
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
        let error = result.map_or_else(Error::to_errno, |()| 0);
        // The buffer is unpinned before anything is notified.
        this.job.end(buffer, error, || {
            if let Some(event) = &this.event {
                event.signal();
            }
            this.watchers.queue.notify_all();
        });
    }
}
