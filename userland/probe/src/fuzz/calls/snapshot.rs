// SPDX-License-Identifier: MIT
//! Snapshots.

use resmem::abi::{self, Snapshot, SnapshotStatus};
use resmem::ioctl::resized;

use crate::fuzz::arena::{MARK, Place, SNAPSHOT, SNAPSHOTS, bytes_mut};
use crate::fuzz::commands::number;
use crate::fuzz::nodes::{Node, OpenFile, Pending};
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;

use super::{answered, bytes_of, value_of};

/// Bytes around a buffer that must stay as they are.
const MARGIN: usize = 4096;

pub fn start(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let length = args[2];
    let (place, checked) = buffer(thread, &node, args[1]);
    let asked = Snapshot {
        address: place.address as u64,
        length,
        region_offset: args[3],
        eventfd: match args[4] {
            0..3 => -1,
            3 => thread.targets.event,
            4 => thread.pipe[0],
            _ => -2,
        },
        flags: args[5] as u32,
        reserved: [args[6], 0, 0, 0],
    };
    let argument = thread.arena.argument(args[7], bytes_of(&asked));
    let mut quiet = false;
    if let Some(file) = &node.own {
        if file.started.get() {
            quiet = ended(thread, &node)?;
        } else {
            quiet = thread.nodes.is_quiet(file.part);
        }
        if quiet && checked {
            let from = thread.arena.snapshot(file.part);
            let start = (place.address - from).saturating_sub(MARGIN);
            let end = (place.address - from + MARGIN)
                .saturating_add(length as usize)
                .min(SNAPSHOT);
            bytes_mut(from + start, end - start).fill(MARK);
        }
    }
    let number = resized(number!(w IOC_SNAPSHOT Snapshot), argument.size);
    let called = sys::ioctl(node.fd, number, argument.address);
    if called.is_ok() {
        if argument.refusal(size_of::<Snapshot>()).is_some() {
            return Err(format!("{} bytes were taken", argument.size));
        }
        let size = thread.setting.regions[node.region].info.size;
        let within = asked
            .region_offset
            .checked_add(length)
            .is_some_and(|end| end <= size);
        if !within || length == 0 || asked.flags != 0 || asked.reserved != [0; 4] || args[4] > 3 {
            return Err(format!("taken: {asked:?}"));
        }
        if place.sort == MAPPING {
            return Err("a mapping of a region was taken as a buffer".to_owned());
        }
        if length > place.room as u64 && place.sort < MAPPING {
            return Err(format!(
                "{length} bytes where {} can be written",
                place.room
            ));
        }
        if let Some(file) = &node.own {
            file.started.set(true);
            let pending = Pending {
                address: place.address,
                length: length as usize,
                offset: asked.region_offset,
            };
            file.pending.set((quiet && checked).then_some(pending));
        }
    }
    let state = node.region as u64 | place.sort << 4 | argument.sort << 12 | args[4] << 16;
    let before = node.own.as_ref().is_some_and(|file| file.started.get());
    Ok(Outcome::of(&called, state).racy(node.common || before))
}

/// For signatures: a buffer that is a mapping of a region. It may overlap the snapshot's own.
const MAPPING: u64 = 16;

/// Where a snapshot is to go, and whether what comes can be judged.
fn buffer(thread: &mut Thread<'_>, node: &Node, argument: u64) -> (Place, bool) {
    let delta = (argument >> 8) as usize;
    let bad = thread.arena.data(argument);
    match argument & 31 {
        2..=6 => return (bad, false),
        7 | 8 => {
            if let Some(map) = thread.maps.whole(argument >> 8) {
                return (
                    Place {
                        address: map.address,
                        room: 0,
                        size: 0,
                        sort: MAPPING,
                    },
                    false,
                );
            }
        }
        _ => {}
    }
    let part = node.own.as_ref().map_or(SNAPSHOTS - 1, |file| file.part);
    let at = match argument & 31 {
        0 | 1 => SNAPSHOT - 1 - delta % 4096,
        _ => delta % 8192,
    };
    let place = Place {
        address: thread.arena.snapshot(part) + at,
        room: SNAPSHOT - at,
        size: 0,
        sort: (argument & 31).min(9),
    };
    (place, node.own.is_some())
}

pub fn status(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let place = thread
        .arena
        .argument(args[1], &[0x5a; size_of::<SnapshotStatus>()]);
    let number = resized(number!(r IOC_SNAPSHOT_STATUS SnapshotStatus), place.size);
    let called = sys::ioctl(node.fd, number, place.address);
    let mut how = 0;
    if called.is_ok() {
        if place.room < place.size || place.size < size_of::<SnapshotStatus>() {
            return Err("an answer went where nothing can be written".to_owned());
        }
        let told: SnapshotStatus = value_of(bytes_mut(place.address, place.room));
        if !answered(&place, bytes_of(&told)) {
            return Err("what is behind an answer is not zero".to_owned());
        }
        judge(thread, &node, &told)?;
        how = u64::from(told.state);
    }
    let state =
        node.region as u64 | place.sort << 4 | how << 8 | u64::from(node.own.is_some()) << 12;
    Ok(Outcome::of(&called, state).racy(node.common || how > 0))
}

/// The status of an own node, asked in an ordinary way.
fn ask(node: &Node) -> Result<SnapshotStatus, String> {
    let mut status = SnapshotStatus::default();
    // SAFETY: The node is one of the driver's, `status` is valid.
    unsafe { resmem::ioctl::snapshot_status(node.fd, &mut status) }
        .map_err(|errno| format!("no status: {errno}"))?;
    Ok(status)
}

/// Whether the last snapshot of an own node that started one has ended; looks at what it left if so.
fn ended(thread: &Thread<'_>, node: &Node) -> Result<bool, String> {
    let told = ask(node)?;
    judge(thread, node, &told)?;
    Ok(told.state == abi::SNAPSHOT_DONE)
}

/// Another user with a node of its own may have started one there, which is not known to go anywhere of ours.
pub fn started_by_another(node: &Node) {
    if let Some(file) = &node.own
        // Not of one that is open by its path alone.
        && ask(node).is_ok_and(|told| told.state != abi::SNAPSHOT_NONE)
    {
        file.started.set(true);
        file.pending.set(None);
    }
}

/// A snapshot of an own node must have ended.
pub fn has_ended(node: &Node) -> Result<(), String> {
    match ask(node)?.state {
        abi::SNAPSHOT_DONE => Ok(()),
        state => Err(format!("POLLIN in state {state}")),
    }
}

fn judge(thread: &Thread<'_>, node: &Node, told: &SnapshotStatus) -> Result<(), String> {
    if told.state > abi::SNAPSHOT_DONE || told.reserved != [0; 2] || told.error > 4095 {
        return Err(format!("impossible: {told:?}"));
    }
    let Some(file) = &node.own else { return Ok(()) };
    if (told.state == abi::SNAPSHOT_NONE) == file.started.get() {
        return Err(format!("started: {}, but {told:?}", file.started.get()));
    }
    match file.pending.get() {
        Some(pending) if told.state == abi::SNAPSHOT_DONE => {
            file.pending.set(None);
            look(thread, file, pending, told)
        }
        Some(pending) if told.copied > pending.length as u64 => {
            Err(format!("{told:?} for {}", pending.length))
        }
        _ => Ok(()),
    }
}

/// Looks at what a snapshot left.
fn look(
    thread: &Thread<'_>,
    file: &OpenFile,
    pending: Pending,
    told: &SnapshotStatus,
) -> Result<(), String> {
    let Pending {
        address,
        length,
        offset,
    } = pending;
    let whole = told.copied == length as u64;
    if whole != (told.error == 0) || told.copied > length as u64 {
        return Err(format!("{told:?} for {length} bytes"));
    }
    let region = &thread.setting.regions[file.region];
    let bytes = bytes_mut(address, told.copied as usize);
    region.expect("snapshot", offset, bytes, thread.setting.filled)?;
    let from = thread.arena.snapshot(file.part);
    let before = address.saturating_sub(MARGIN).max(from);
    let after = (address + length + MARGIN).min(from + SNAPSHOT);
    let around = [(before, address), (address + length, after)];
    for (start, end) in around {
        if bytes_mut(start, end - start)
            .iter()
            .any(|byte| *byte != MARK)
        {
            return Err(format!(
                "bytes beside a snapshot of {length} bytes have changed"
            ));
        }
    }
    Ok(())
}
