// SPDX-License-Identifier: GPL-2.0

//! What waits for the end of a file's snapshots, by `poll`, `select` or `epoll`.
//!
//! Of the file and not of a snapshot: a thread that sleeps in `poll()` stays in the queue until it wakes, whatever
//! is started and ends meanwhile.
//!
//! Lock order: the queue's own spin lock is taken last.

use kernel::{
    prelude::*,
    sync::{
        poll::PollCondVar,
        Arc, //
    }, //
};

/// The queue of an open file.
#[pin_data]
pub(crate) struct Watchers {
    #[pin]
    pub(crate) queue: PollCondVar,
}

impl Watchers {
    /// An empty queue.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                queue <- kernel::new_poll_condvar!("resmem_watchers"),
            }),
            GFP_KERNEL,
        )
    }
}
