// SPDX-License-Identifier: GPL-2.0

//! Commands on an open node: what each of them is, and what it does.
//!
//! Lock order: that of the module above.

use kernel::{
    fs::LocalFile,
    ioctl::{
        _IOR,
        _IOW,
        _IOWR, //
    },
    prelude::*,
    sync::Arc, //
};

use super::OpenRegion;
use crate::{
    abi,
    abstractions::{
        file::{
            opened_for_reading,
            opened_for_writing, //
        },
        kiocb::Direction,
        task, //
    },
    argument::{
        for_user,
        unsized_command,
        Argument, //
    },
    export,
    inflight::Outcome,
    progress::Follower,
    region::Region,
    snapshot::Snapshot,
    transfer::Transfer, //
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

/// `ENOTTY` for an unknown command; see [`abi`] for the known ones.
pub(super) fn run(open: &OpenRegion, file: &LocalFile, command: u32, address: usize) -> Result {
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
