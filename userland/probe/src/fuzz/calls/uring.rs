// SPDX-License-Identifier: MIT
//! Ranges of regions as fixed buffers of an io_uring.

use std::ptr::without_provenance;

use io_uring::{opcode, types::Fd};
use resmem::abi::{REGISTER_MAX, RegisterBuffer};
use resmem::ioctl::{REGISTER, argument};

use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::ring::{ENTRIES, Held};
use crate::fuzz::sys;
use crate::fuzz::targets::GOOD;
use crate::fuzz::thread::Thread;

use super::transfer;

/// The errnos that the ABI knows for the command, and one for a kernel without io_uring.
const REFUSALS: [i32; 9] = [
    libc::ENXIO,
    libc::EBADF,
    libc::EINVAL,
    libc::EBUSY,
    libc::ERANGE,
    libc::EOVERFLOW,
    libc::EOPNOTSUPP,
    libc::ENOTTY,
    libc::ENOSYS,
];

/// Makes a range a fixed buffer.
pub fn register(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let asked = RegisterBuffer {
        region_offset: args[1],
        length: args[2] as u32,
        index: args[3] as u32,
    };
    let operation = match args[4] {
        0 => REGISTER ^ 1 << (args[1] % 32),
        _ => REGISTER,
    };
    let command = opcode::UringCmd16::new(Fd(node.fd), operation).cmd(argument(asked));
    let called = thread.ring.submit(&command.build())?;
    let taken = thread.ring.table.get(asked.index as usize);
    match called {
        Ok(_) => {
            let size = thread.setting.regions[node.region].info.size;
            let length = u64::from(asked.length);
            let end = asked.region_offset.checked_add(length);
            let within = end.is_some_and(|end| end <= size);
            let free = taken.is_some_and(Option::is_none);
            let known = operation == REGISTER && asked.length <= REGISTER_MAX;
            if !within || length == 0 || !free || !known {
                return Err(format!("taken: {asked:?} where {taken:?} was"));
            }
            if node.own.as_ref().is_some_and(|file| !file.readable) {
                return Err("a node that is not open for reading was taken".to_owned());
            }
            let held = Held {
                region: node.region,
                offset: asked.region_offset,
                length,
            };
            thread.ring.table[asked.index as usize] = Some(held);
        }
        Err(errno) if !REFUSALS.contains(&errno) => {
            return Err(format!("errno {errno} is none of this command's"));
        }
        Err(_) => {}
    }
    let state = node.region as u64 | args[3] << 4 | args[4].min(1) << 8;
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// Takes a buffer away again.
pub fn unregister(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let index = args[0] as usize % ENTRIES;
    let before = thread.ring.table[index].is_some();
    let called = thread.ring.forget(index);
    Ok(Outcome::of(&called, u64::from(before)))
}

/// Writes from a buffer, or tries to read into it.
pub fn fixed(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let index = args[0] as usize % ENTRIES;
    let held = thread.ring.table[index];
    let (from, length) = range(held, args);
    let target = thread.targets.get(args[3]);
    if target.sort >= GOOD {
        return pass(thread, index, from, length);
    }
    let (fd, position) = (Fd(target.fd), target.position(args[4]));
    let address = without_provenance::<u8>(from as usize);
    if args[5] & 3 == 3 {
        let read = opcode::ReadFixed::new(fd, address.cast_mut(), length, index as u16);
        let called = thread.ring.submit(&read.offset(position).build())?;
        if called.is_ok() {
            return Err(format!("{called:?}: {held:?} was read into"));
        }
        return Ok(Outcome::of(&called, target.sort | 1 << 8));
    }
    let write = opcode::WriteFixed::new(fd, address, length, index as u16).offset(position);
    let called = thread.ring.submit(&write.build())?;
    // From u64::MAX it is written to where the descriptor is, which is not recorded.
    if let Some((held, written)) = judge(held, from, length, &called)?
        && position != u64::MAX
        && target.is_ours(position)
    {
        transfer::check(
            thread,
            held.region,
            &target,
            held.offset + from,
            position,
            written,
        )?;
    }
    let state = held.map_or(15, |held| held.region as u64) | target.sort << 4;
    // Others fill the small disk.
    Ok(Outcome::of(&called, state).racy(target.sort == GOOD - 1))
}

/// Bytes of a buffer, whose addresses count from its begin: within it, about its end, or anything.
fn range(held: Option<Held>, args: &Args) -> (u64, u32) {
    let (from, length) = (args[1] & 0xffff_ffff, args[2] as u32);
    let Some(held) = held else {
        return (from, length);
    };
    let within = from % held.length;
    let left = held.length - within;
    match args[5] >> 2 {
        0 => (within, (args[2] % left) as u32 + 1),
        // Aligned, as a disk wants it.
        1 => {
            let within = within & !511;
            let left = (held.length - within) & !511;
            (within, (args[2] % (left + 1)) as u32 & !511)
        }
        2 => (within, (left + args[2] % 128) as u32),
        _ => (from, length),
    }
}

/// Writes from a buffer into a pipe, and looks at what comes out.
fn pass(thread: &mut Thread<'_>, index: usize, from: u64, length: u32) -> Ran {
    let held = thread.ring.table[index];
    let [read, write] = thread.pipe;
    let address = without_provenance::<u8>(from as usize);
    // What does not block has no position.
    let entry = opcode::WriteFixed::new(Fd(write), address, length, index as u16).offset(u64::MAX);
    let called = thread.ring.submit(&entry.build())?;
    if let Some((held, written)) = judge(held, from, length, &called)? {
        let mut bytes = vec![0; written as usize];
        let got = sys::again(|| sys::read_raw(read, bytes.as_mut_ptr().addr(), bytes.len()));
        if got != Ok(written) {
            return Err(format!("{got:?} of {written} bytes came out of a pipe"));
        }
        let region = &thread.setting.regions[held.region];
        let filled = thread.setting.filled;
        region.expect("fixed buffer", held.offset + from, &bytes, filled)?;
    }
    let state = held.map_or(15, |held| held.region as u64) | 1 << 12;
    Ok(Outcome::of(&called, state))
}

/// Whether a write may have ended like this; the buffer and the bytes, if there were any.
fn judge(
    held: Option<Held>,
    from: u64,
    length: u32,
    called: &sys::Called,
) -> Result<Option<(Held, u64)>, String> {
    let Ok(written @ 1..) = *called else {
        return Ok(None);
    };
    let Some(held) = held else {
        return Err(format!("{written} bytes came from a buffer that is none"));
    };
    if written > u64::from(length) || from + written > held.length {
        return Err(format!("{written} bytes from {from:#x} of {held:?}"));
    }
    Ok(Some((held, written)))
}
