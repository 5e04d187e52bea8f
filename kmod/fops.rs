// SPDX-License-Identifier: GPL-2.0

//! What a user can do with an open `/dev/resmem/<label>`.
//!
//! Lock order: `OpenRegion::state` is taken alone, and for a moment: every process that has the descriptor may
//! want it, for `poll` above all.

use kernel::{
    bindings,
    fs::{
        File,
        LocalFile, //
    },
    ioctl::{
        _IOR,
        _IOW,
        _IOWR, //
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
    abi,
    abstractions::{
        chardev::FileOperations,
        file::{
            opened_for_reading,
            opened_for_writing, //
        },
        kiocb::Direction,
        mmap,
        task,
        uring::Command, //
    },
    argument::{
        for_user,
        unsized_command,
        Argument, //
    },
    export,
    inflight::Outcome,
    progress::{
        Follower,
        Progress,
        Watched, //
    },
    region::Region,
    snapshot::Snapshot,
    transfer::Transfer,
    uring,
    watchers::Watchers, //
};

const TYPE: u32 = abi::IOC_TYPE as u32;
const INFO: u32 = unsized_command(_IOR::<abi::RegionInfo>(TYPE, abi::IOC_INFO as u32));
const DUMP: u32 = unsized_command(_IOWR::<abi::Transfer>(TYPE, abi::IOC_DUMP as u32));
const LOAD: u32 = unsized_command(_IOWR::<abi::Transfer>(TYPE, abi::IOC_LOAD as u32));
const SYNC: u32 = unsized_command(_IOW::<abi::RegionSync>(TYPE, abi::IOC_SYNC as u32));
const POSITION: u32 = unsized_command(_IOR::<abi::RingPosition>(TYPE, abi::IOC_POSITION as u32));
const DOORBELL: u32 = unsized_command(_IOW::<abi::RingDoorbell>(TYPE, abi::IOC_DOORBELL as u32));
const CONSUMED: u32 = unsized_command(_IOW::<abi::RingConsumed>(TYPE, abi::IOC_CONSUMED as u32));
const EXPORT: u32 = unsized_command(_IOWR::<abi::RegionExport>(TYPE, abi::IOC_EXPORT as u32));
const WATCH: u32 = unsized_command(_IOW::<abi::RingWatch>(TYPE, abi::IOC_WATCH as u32));
const SNAPSHOT: u32 = unsized_command(_IOW::<abi::Snapshot>(TYPE, abi::IOC_SNAPSHOT as u32));
const SNAPSHOT_STATUS: u32 = unsized_command(_IOR::<abi::SnapshotStatus>(
    TYPE,
    abi::IOC_SNAPSHOT_STATUS as u32,
));

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
        ioctl(self, file, command, argument)
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

/// `ENOTTY` for an unknown command; see [`abi`] for the known ones.
fn ioctl(open: &OpenRegion, file: &LocalFile, command: u32, address: usize) -> Result {
    let region = &*open.region;
    let argument = |least| Argument::new(command, address, least);
    match unsized_command(command) {
        INFO => {
            let mut info = region.info();
            if open.follower.is_some() {
                info.flags |= abi::REGION_POSITION;
            }
            argument(abi::INFO_SIZE_VER0)?.write(&info)
        }
        POSITION => {
            let argument = argument(abi::POSITION_SIZE_VER0)?;
            argument.write(&follower(open, file)?.progress().answer()?)
        }
        DOORBELL => {
            let asked: abi::RingDoorbell = argument(abi::DOORBELL_SIZE_VER0)?.read()?;
            if asked.flags != 0 || asked.reserved != [0; 2] {
                return Err(EINVAL);
            }
            follower(open, file)?.progress().ring(asked.raw)
        }
        WATCH => {
            let asked: abi::RingWatch = argument(abi::WATCH_SIZE_VER0)?.read()?;
            if asked.flags != 0 || asked.reserved != [0; 2] {
                return Err(EINVAL);
            }
            follower(open, file)?.watch(&asked, open.watchers()?)
        }
        CONSUMED => {
            let asked: abi::RingConsumed = argument(abi::CONSUMED_SIZE_VER0)?.read()?;
            if asked.flags != 0 || asked.reserved != [0; 2] {
                return Err(EINVAL);
            }
            follower(open, file)?.progress().consumed(asked.position)
        }
        DUMP => transfer(
            region,
            argument(abi::TRANSFER_SIZE_VER0)?,
            Direction::Dump,
            file,
        ),
        LOAD => transfer(
            region,
            argument(abi::TRANSFER_SIZE_VER0)?,
            Direction::Load,
            file,
        ),
        SYNC => {
            let asked: abi::RegionSync = argument(abi::SYNC_SIZE_VER0)?.read()?;
            if asked.flags != 0 || asked.reserved != [0; 2] {
                return Err(EINVAL);
            }
            region.sync(
                asked.region_offset,
                asked.length,
                asked.direction.try_into()?,
                opened_for_writing(file),
            )
        }
        EXPORT => export::run(&open.region, argument(abi::EXPORT_SIZE_VER0)?, file),
        SNAPSHOT => {
            if !opened_for_reading(file) {
                return Err(EBADF);
            }
            start_snapshot(open, &argument(abi::SNAPSHOT_SIZE_VER0)?.read()?)
        }
        SNAPSHOT_STATUS => {
            let argument = argument(abi::SNAPSHOT_STATUS_SIZE_VER0)?;
            let snapshot = open.state.lock().snapshot.clone();
            let none = abi::SnapshotStatus {
                state: abi::SNAPSHOT_NONE,
                ..Default::default()
            };
            argument.write(&snapshot.map_or(none, |snapshot| snapshot.status()))
        }
        _ => Err(ENOTTY),
    }
}

/// Who follows the ring's device: `EBADF` for a node that is not open for reading, `EOPNOTSUPP` for no ring.
fn follower<'a>(open: &'a OpenRegion, file: &LocalFile) -> Result<&'a Follower> {
    if !opened_for_reading(file) {
        return Err(EBADF);
    }
    open.follower.as_ref().ok_or(EOPNOTSUPP)
}

/// Whether an open node may be used to move bytes that way: see [`abi::IOC_DUMP`] and
/// [`abi::IOC_LOAD`].
fn allowed(region: &Region, direction: Direction, file: &LocalFile) -> Result {
    match direction {
        Direction::Dump if !opened_for_reading(file) => Err(EBADF),
        Direction::Load if !region.writable() => Err(EPERM),
        Direction::Load if !opened_for_writing(file) => Err(EBADF),
        _ => Ok(()),
    }
}

fn start_snapshot(open: &OpenRegion, asked: &abi::Snapshot) -> Result {
    {
        let mut state = open.state.lock();
        let running = |last: &Arc<Snapshot>| !last.has_ended();
        if state.starting || state.snapshot.as_ref().is_some_and(running) {
            return Err(EBUSY);
        }
        state.starting = true;
    }
    // Not with the lock held: what the process has mapped there may take its time to come, and others poll.
    let new = open
        .watchers()
        .and_then(|watchers| Snapshot::new(&open.region, watchers, asked));
    let last = {
        let mut state = open.state.lock();
        state.starting = false;
        let new = new?;
        // Not before others see it: a poll would miss what ends before that. Does not sleep.
        new.start();
        state.snapshot.replace(new)
    };
    if let Some(last) = last {
        // It has ended, and this is its last reference: it must have left the module's code before the file
        // is closed.
        last.stop();
    }
    Ok(())
}

fn transfer(region: &Region, argument: Argument, direction: Direction, file: &LocalFile) -> Result {
    let mut answer: abi::Transfer = argument.read()?;
    // Better now than when everything has been moved.
    report(&mut answer, &refused(EINPROGRESS));
    argument.write(&answer)?;

    let checked =
        allowed(region, direction, file).and_then(|()| Transfer::new(region, &answer, direction));
    let outcome = checked.map_or_else(refused, |transfer| transfer.run());
    if outcome.error.is_some() && task::is_being_killed() && task::may_log() {
        // The process will not read the answer.
        let (label, moved) = (region.label(), outcome.moved);
        pr_notice!(
            "{label}: killed, {moved:#x} bytes of {:#x} are moved\n",
            answer.length
        );
    }

    report(&mut answer, &outcome);
    argument.write(&answer)?;
    match outcome.error {
        Some(error) if outcome.moved == 0 => Err(for_user(error)),
        _ => Ok(()),
    }
}

/// The outcome of a transfer that was not started.
fn refused(error: Error) -> Outcome<Error> {
    Outcome {
        moved: 0,
        copied: 0,
        error: Some(error),
    }
}

/// Fills in what an answer says of `outcome`.
fn report(answer: &mut abi::Transfer, outcome: &Outcome<Error>) {
    answer.moved = outcome.moved;
    answer.direct = outcome.moved - outcome.copied;
    answer.copied = outcome.copied;
    answer.error = outcome
        .error
        .map_or(0, |error| for_user(error).to_errno().unsigned_abs());
}
