// SPDX-License-Identifier: MIT
//! Nodes as files: open, read, seek, wait, close.

use std::os::fd::RawFd;

use crate::fuzz::arena::{MARK, Place, bytes_mut};
use crate::fuzz::nodes::{self, Node, Nodes};
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys::{self, Called};
use crate::fuzz::thread::Thread;

use super::snapshot;

/// Commands of `fcntl()` that neither block nor make descriptors.
pub const FCNTL: [u64; 14] = [
    1, 2, 3, 4, 5, 9, 11, 1024, 1025, 1031, 1032, 1033, 1034, 1036,
];

pub fn open(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let setting = thread.setting;
    let flags = args[2] as i32;
    if let Some(index) = Nodes::common_slot(args[0]) {
        let called = nodes::open_common(setting, index, flags & !libc::O_TMPFILE);
        return Ok(Outcome::of(&called, args[0] & 15).racy(true));
    }
    let Some(slot) = Nodes::slot(args[0]) else {
        return Ok(Outcome::of(&Ok(0), 0));
    };
    let region = args[1] as usize % setting.regions.len();
    let called = sys::open(&setting.regions[region].path, flags);
    if let Ok(fd) = called {
        let writes = matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR);
        if writes && flags & libc::O_PATH == 0 && !setting.regions[region].writable() {
            return Err(format!(
                "{} was opened for writing",
                setting.regions[region].label
            ));
        }
        thread.nodes.put(slot, fd, region, flags);
    }
    Ok(Outcome::of(
        &called,
        region as u64 | u64::from(args[2] as u32) << 4,
    ))
}

pub fn close(thread: &mut Thread<'_>, args: &Args) -> Ran {
    if let Some(index) = Nodes::common_slot(args[0]) {
        return Ok(Outcome::of(&sys::close(nodes::common(index)), 1).racy(true));
    }
    let node = thread.nodes.get(args[0]);
    let running = node
        .own
        .as_ref()
        .is_some_and(|file| file.pending.get().is_some());
    let called = match Nodes::slot(args[0]) {
        Some(slot) => thread.nodes.close(slot),
        None => Err(libc::EBADF),
    };
    Ok(Outcome::of(
        &called,
        node.region as u64 | u64::from(running) << 4,
    ))
}

pub fn dup(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let from = thread.nodes.get(args[0]);
    let (Some(file), Some(slot)) = (from.own, Nodes::slot(args[1])) else {
        return Ok(Outcome::of::<u64>(&Err(libc::EBADF), 0));
    };
    // SAFETY: Descriptors are numbers here.
    let called = sys::called(unsafe { libc::dup(from.fd) });
    if let Ok(fd) = called {
        thread.nodes.put_again(slot, fd as RawFd, file);
    }
    Ok(Outcome::of(&called, 1))
}

pub fn fcntl(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let command = match FCNTL.contains(&args[1]) {
        true => args[1] as i32,
        // Not one that blocks or makes a descriptor.
        false => 0x4000_0000 | args[1] as i32,
    };
    // Commands with a pointer get one that leads nowhere.
    let argument = match command {
        1..=4 => args[2],
        _ => args[2] & 0xfff,
    };
    let called = sys::fcntl(node.fd, command, argument as _);
    let state = (command as u64 & 0xffff) << 4 | u64::from(node.own.is_some());
    Ok(Outcome::of(&called, state).racy(node.common))
}

pub fn lseek(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let size = thread.setting.regions[node.region].info.size;
    // SAFETY: No memory is concerned.
    let called = sys::called(unsafe { libc::lseek64(node.fd, args[1] as i64, args[2] as i32) });
    match called {
        Ok(at) if at > size && !node.common => Err(format!("seek to {at:#x} of {size:#x} bytes")),
        _ => Ok(Outcome::of(&called, args[2] & 15 | (node.region as u64) << 4).racy(node.common)),
    }
}

/// How many bytes a read of `length` from `offset` gives where nothing is in the way; `None` when it must fail.
fn available(thread: &Thread<'_>, node: &Node, length: usize, offset: u64) -> Option<usize> {
    let size = thread.setting.regions[node.region].info.size;
    // The kernel wants an end that a file offset can say.
    let end = offset.checked_add(length as u64);
    let readable = node.own.as_ref().is_none_or(|file| file.readable);
    if !readable || end.is_none_or(|end| i64::try_from(end).is_err()) {
        return None;
    }
    Some(
        usize::try_from(size.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(length),
    )
}

/// Marks what lies behind the bytes that a read may write.
fn mark(place: Place, available: usize) {
    if place.room > available {
        bytes_mut(place.address + available, (place.room - available).min(64)).fill(MARK);
    }
}

/// Judges a read of `length` bytes to `place` that could have had `available`.
fn judge(
    thread: &Thread<'_>,
    node: &Node,
    place: Place,
    (length, offset): (usize, u64),
    available: Option<usize>,
    called: &Called,
) -> Result<u64, String> {
    let region = &thread.setting.regions[node.region];
    let got = called.unwrap_or(0) as usize;
    if got > available.unwrap_or(0) {
        return Err(format!(
            "{got} bytes of {}, where {available:?} are",
            region.label
        ));
    }
    if place.room < got {
        return Err(format!("{got} bytes where {} can be written", place.room));
    }
    if place.room >= got {
        region.expect(
            "read",
            offset,
            bytes_mut(place.address, got),
            thread.setting.filled,
        )?;
    }
    let (Some(available), true) = (available, node.own.is_some()) else {
        return Ok(2);
    };
    // Of no bytes the address may be refused all the same.
    if length > 0 && place.room >= length && *called != Ok(available as u64) {
        return Err(format!(
            "{called:?} instead of {available} bytes of {} from {offset:#x}",
            region.label
        ));
    }
    if place.room > available {
        let behind = bytes_mut(place.address + available, (place.room - available).min(64));
        if behind.iter().any(|byte| *byte != MARK) {
            return Err("bytes behind those read have changed".to_owned());
        }
    }
    Ok(u64::from(got < available))
}

fn state(node: &Node, place: Place, how: u64) -> u64 {
    node.region as u64 | place.sort << 4 | how << 8 | u64::from(node.own.is_some()) << 12
}

/// Where an own node's file position is.
fn position(node: &Node) -> u64 {
    // SAFETY: No memory is concerned.
    sys::called(unsafe { libc::lseek64(node.fd, 0, libc::SEEK_CUR) }).unwrap_or(u64::MAX)
}

pub fn read(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let (place, length) = (thread.arena.data(args[1]), args[2] as usize);
    if node.own.is_none() {
        // Where it is now others decide, so what comes is not known.
        let called = sys::read_raw(node.fd, place.address, length.min(place.room));
        let got = bytes_mut(place.address, called.unwrap_or(0) as usize);
        if thread.setting.filled && crate::fuzz::pattern::is_foreign(got) {
            return Err("a byte that no region holds".to_owned());
        }
        return Ok(Outcome::of(&called, state(&node, place, 0)).racy(node.common));
    }
    let offset = position(&node);
    let available = available(thread, &node, length, offset);
    mark(place, available.unwrap_or(0));
    let called = sys::read_raw(node.fd, place.address, length);
    let how = judge(thread, &node, place, (length, offset), available, &called)?;
    Ok(Outcome::of(&called, state(&node, place, how)))
}

pub fn pread(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let (place, length, offset) = (thread.arena.data(args[1]), args[2] as usize, args[3]);
    let available = available(thread, &node, length, offset);
    mark(place, available.unwrap_or(0));
    let called = sys::pread_raw(node.fd, place.address, length, offset);
    let how = judge(thread, &node, place, (length, offset), available, &called)?;
    Ok(Outcome::of(&called, state(&node, place, how)).racy(node.common))
}

pub fn readv(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let offset = args[5];
    let places = [thread.arena.data(args[1]), thread.arena.data(args[3])];
    let lengths = [args[2] as usize, args[4] as usize];
    let iov = [0, 1].map(|at| [places[at].address, lengths[at]]);
    let (low, high) = match cfg!(target_pointer_width = "32") {
        true => (offset as usize, (offset >> 32) as usize),
        false => (offset as usize, 0),
    };
    // SAFETY: What is written to is the arena, or no memory of ours.
    let called = sys::called(unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            node.fd,
            iov.as_ptr(),
            2,
            low,
            high,
            args[6] as i32,
        )
    });
    let got = called.unwrap_or(0) as usize;
    let apart = places[0].address.abs_diff(places[1].address) >= lengths[0].max(lengths[1]);
    let first = got.min(lengths[0]);
    if called.is_ok() && apart {
        let region = &thread.setting.regions[node.region];
        for (place, at, count) in [(places[0], 0, first), (places[1], first, got - first)] {
            if place.room >= count && offset != u64::MAX {
                let bytes = bytes_mut(place.address, count);
                region.expect("readv", offset + at as u64, bytes, thread.setting.filled)?;
            }
        }
    }
    let how = u64::from(got > lengths[0]) | (args[6] & 0xff) << 8;
    Ok(Outcome::of(&called, state(&node, places[0], 0) | how << 16)
        .racy(node.common || args[6] & 8 != 0))
}

pub fn write(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let (place, length) = (thread.arena.data(args[1]), args[2] as usize);
    let called = match args[4] {
        0 => sys::write_raw(node.fd, place.address, length),
        1 => sys::pwrite_raw(node.fd, place.address, length, args[3]),
        _ => {
            let iov = [place.address, length];
            // SAFETY: Memory is only read.
            sys::called(unsafe { libc::writev(node.fd, iov.as_ptr().cast(), 1) })
        }
    };
    match called {
        Ok(_) => Err("a node was written to by write()".to_owned()),
        _ => Ok(Outcome::of(&called, state(&node, place, args[4])).racy(node.common)),
    }
}

pub fn splice(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let [read, write] = thread.pipe;
    let length = args[1] as usize;
    let mut offset = args[2] as i64;
    let flags = libc::SPLICE_F_NONBLOCK
        | if args[3] & 4 != 0 {
            libc::SPLICE_F_MOVE
        } else {
            0
        };
    let null = std::ptr::null_mut();
    // SAFETY: The offset is ours.
    let called = sys::called(unsafe {
        match args[3] & 3 {
            0 | 1 => libc::splice(node.fd, &mut offset, write, null, length, flags) as i64,
            2 => libc::sendfile64(write, node.fd, &mut offset, length) as i64,
            _ => libc::splice(read, null, node.fd, &mut offset, length, flags) as i64,
        }
    });
    if args[3] & 3 == 3 && called.is_ok_and(|moved| moved > 0) {
        return Err("a pipe was spliced into a node".to_owned());
    }
    let moved = called.unwrap_or(0) as usize;
    let mut bytes = vec![0; moved];
    if moved > 0 {
        let got = sys::again(|| sys::read_raw(read, bytes.as_mut_ptr().addr(), moved));
        if got != Ok(moved as u64) {
            return Err(format!("{got:?} of {moved} bytes came out of the pipe"));
        }
        thread.setting.regions[node.region].expect(
            "splice",
            args[2],
            &bytes,
            thread.setting.filled,
        )?;
    }
    let state = node.region as u64 | (args[3] & 7) << 4 | u64::from(moved < length) << 8;
    Ok(Outcome::of(&called, state).racy(node.common))
}

pub fn poll(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let mut poll = libc::pollfd {
        fd: node.fd,
        events: args[1] as i16,
        revents: 0,
    };
    // SAFETY: The array of one is ours.
    let called = sys::called(unsafe { libc::poll(&mut poll, 1, args[2] as i32 / 2) });
    if let (Some(file), true) = (&node.own, poll.revents & libc::POLLIN != 0) {
        if !file.started.get() {
            return Err("POLLIN, and no snapshot was started".to_owned());
        }
        snapshot::has_ended(&node)?;
    }
    let state = u64::from(poll.revents.cast_unsigned()) << 8 | node.region as u64;
    let started = node.own.is_some_and(|file| file.started.get());
    Ok(Outcome::of(&called, state).racy(node.common || started))
}

pub fn epoll(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let mut event = libc::epoll_event {
        events: args[2] as u32,
        u64: args[0],
    };
    // SAFETY: The event is ours.
    let called = sys::called(unsafe {
        match args[1] {
            0 => libc::epoll_ctl(thread.epoll, libc::EPOLL_CTL_ADD, node.fd, &mut event),
            1 => libc::epoll_ctl(thread.epoll, libc::EPOLL_CTL_MOD, node.fd, &mut event),
            2 => libc::epoll_ctl(thread.epoll, libc::EPOLL_CTL_DEL, node.fd, &mut event),
            _ => libc::epoll_wait(thread.epoll, &mut event, 1, 0),
        }
    });
    let state = node.region as u64 | args[1] << 4 | u64::from(node.own.is_some()) << 8;
    Ok(Outcome::of(&called, state).racy(node.common))
}
