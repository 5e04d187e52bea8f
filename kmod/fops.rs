// SPDX-License-Identifier: GPL-2.0

//! What a user can do with an open `/dev/resmem/<label>`.
//!
//! Lock order: `OpenRegion::state` is taken alone, and for a moment: every process that has the descriptor may
//! want it, for `poll` above all.

mod ioctl;

use kernel::{
    bindings,
    fs::{
        File,
        LocalFile, //
    },
    iov::IovIterDest,
    mm::virt::VmaNew,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        poll::PollTable,
        Arc,
        Mutex, //
    }, //
};

use crate::{
    abstractions::{
        chardev::FileOperations,
        file::opened_for_writing,
        mmap,
        task,
        uring::Command, //
    },
    progress::{
        Follower,
        Progress,
        Watched, //
    },
    region::Region,
    snapshot::Snapshot,
    uring,
    watchers::Watchers, //
};

/// What a node is about.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) region: Arc<Region>,
    /// Where the device of a ring is.
    pub(crate) progress: Option<Arc<Progress>>,
}

/// An open node.
#[pin_data]
pub(crate) struct OpenRegion {
    region: Arc<Region>,
    follower: Option<Follower>,
    #[pin]
    state: Mutex<State>,
}

/// What an open node gets when it is asked for.
#[derive(Default)]
struct State {
    /// The last that was started.
    snapshot: Option<Arc<Snapshot>>,
    /// A thread is about to start one.
    starting: bool,
    watchers: Option<Arc<Watchers>>,
}

impl OpenRegion {
    /// One queue, as long as the file is open. May sleep.
    fn watchers(&self) -> Result<Arc<Watchers>> {
        if let Some(watchers) = &self.state.lock().watchers {
            return Ok(watchers.clone());
        }
        let new = Watchers::new()?;
        let mut state = self.state.lock();
        if let Some(watchers) = state.watchers.clone() {
            // Another thread was faster. `new` is dropped without the lock, which is declared after it.
            return Ok(watchers);
        }
        state.watchers = Some(new.clone());
        Ok(new)
    }
}

impl FileOperations for OpenRegion {
    type Device = Node;

    fn open(node: &Node, file: &LocalFile) -> Result<Pin<KBox<Self>>> {
        open(node.clone(), file)
    }

    fn size(&self) -> u64 {
        self.region.memory().size()
    }

    fn read(&self, position: &mut bindings::loff_t, iter: &mut IovIterDest<'_>) -> Result<usize> {
        read(&self.region, position, iter)
    }

    fn mmap(&self, vma: &VmaNew) -> Result {
        let pages = self.region.memory().whole_pages();
        mmap::map(&self.region, 0..pages, self.region.writable(), vma)
    }

    fn poll(&self, file: &File, table: PollTable<'_>) -> u32 {
        poll(self, file, table)
    }

    fn ioctl(&self, file: &LocalFile, command: u32, argument: usize) -> Result {
        ioctl::run(self, file, command, argument)
    }

    fn uring_cmd(&self, file: &LocalFile, command: &Command<'_>) -> Result {
        let progress = self.follower.as_ref().map(|follower| follower.progress());
        uring::run(&self.region, progress, file, command)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(snapshot) = &self.snapshot {
            snapshot.stop();
        }
    }
}

/// Opening a region takes, as `/dev/mem` does, `CAP_SYS_RAWIO` and no integrity lockdown (`EPERM`). A
/// region that is not writable cannot be opened for writing (`EACCES`).
fn open(node: Node, file: &LocalFile) -> Result<Pin<KBox<OpenRegion>>> {
    let Node { region, progress } = node;
    task::may_reach_raw_memory()?;
    if opened_for_writing(file) && !region.writable() {
        return Err(EACCES);
    }
    KBox::pin_init(
        pin_init!(OpenRegion {
            region,
            follower: progress.map(Follower::new),
            state <- new_mutex!(State::default()),
        }),
        GFP_KERNEL,
    )
}

/// `POLLIN` once a snapshot that was started has ended; `POLLPRI` once the position that is watched for was reached;
/// `POLLERR` when there is no memory to wait in, or the driver of a ring was unbound.
fn poll(open: &OpenRegion, file: &File, table: PollTable<'_>) -> u32 {
    let Ok(watchers) = open.watchers() else {
        return bindings::POLLERR;
    };
    table.register_wait(file, &watchers.queue);
    // Not before: what ends from here on wakes this waiter.
    let snapshot = open.state.lock().snapshot.clone();
    let ended = match snapshot {
        Some(snapshot) if snapshot.has_ended() => bindings::POLLIN,
        _ => 0,
    };
    ended
        | match open.follower.as_ref().map(Follower::watched) {
            Some(Watched::Reached) => bindings::POLLPRI,
            Some(Watched::Unbound) => bindings::POLLERR,
            Some(Watched::Nothing) | None => 0,
        }
}

/// Copies from `position` on: for a small look, not for a dump. A process that is killed
/// does not wait for the end. `EFAULT` when nothing could be copied.
fn read(
    region: &Region,
    position: &mut bindings::loff_t,
    iter: &mut IovIterDest<'_>,
) -> Result<usize> {
    let memory = region.memory();
    let mut offset = u64::try_from(*position).map_err(|_| EINVAL)?;
    let mut copied = 0;
    let mut buffer = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
    while offset < memory.size() && !iter.is_empty() {
        let left = usize::try_from(memory.size() - offset).unwrap_or(usize::MAX);
        let bytes = PAGE_SIZE.min(left).min(iter.len());
        let buffer = buffer.get_mut(..bytes).ok_or(EINVAL)?;
        region.look(offset, bytes as u64)?;
        memory.copy_out(offset, buffer)?;
        let done = iter.copy_to_iter(buffer);
        copied += done;
        offset += done as u64;
        if done < bytes || task::is_being_killed() {
            break;
        }
    }
    if copied == 0 && offset < memory.size() && !iter.is_empty() {
        return Err(EFAULT);
    }
    *position = offset as bindings::loff_t;
    Ok(copied)
}
