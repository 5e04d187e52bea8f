// SPDX-License-Identifier: MIT
//! The commands that describe a region and hand it over, and numbers that are no command.

use resmem::abi::RegionInfo;
use resmem::abi::{self, RegionSync, RingConsumed, RingDoorbell, RingPosition, RingWatch};
use resmem::ioctl::resized;

use crate::fuzz::commands::{GENERIC, all, number};
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;

use super::{answered, bytes_of};

pub fn mangled(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let mut command = args[1] as u32;
    // With another size it is still one of ours, and its argument would be anything.
    if all()
        .iter()
        .any(|known| resized(*known, 0) == resized(command, 0))
    {
        command ^= 0x80;
    }
    // The group of commands that change how a file of /dev may be used.
    if command >> 8 & 0xff == u32::from(b'f') && command & 0xff < 16 {
        command ^= 0x100;
    }
    let called = sys::ioctl(node.fd, command, thread.arena.data(args[2]).address);
    let wrong = match called {
        Ok(_) => !GENERIC.contains(&command),
        Err(libc::ENOTTY | libc::EBADF) => false,
        Err(_) => !GENERIC.contains(&command) && command >> 8 & 0xff != 0x66,
    };
    if wrong && !node.common && node.own.is_some() {
        return Err(format!("command {command:#x}: {called:?}"));
    }
    Ok(Outcome::of(
        &called,
        u64::from(command >> 29) | u64::from(command & 0xff) << 4,
    )
    .racy(node.common))
}

pub fn info(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let place = thread
        .arena
        .argument(args[1], &[0x5a; size_of::<RegionInfo>()]);
    let number = resized(number!(r IOC_INFO RegionInfo), place.size);
    let called = sys::ioctl(node.fd, number, place.address);
    let usable = node
        .own
        .as_ref()
        .is_some_and(|file| file.readable || file.writable);
    if called.is_ok() {
        let expected = &thread.setting.regions[node.region].info;
        if !answered(&place, bytes_of(expected)) {
            return Err("a wrong description".to_owned());
        }
    } else if usable && place.size >= size_of::<RegionInfo>() && place.room >= place.size {
        return Err(format!("no description: {called:?}"));
    }
    let state = node.region as u64 | place.sort << 4 | u64::from(node.own.is_some()) << 8;
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// No region here is a ring.
pub fn ring(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let place = thread
        .arena
        .argument(args[2], &[0x5a; size_of::<RingPosition>()]);
    let numbers = [
        number!(r IOC_POSITION RingPosition),
        number!(w IOC_DOORBELL RingDoorbell),
        number!(w IOC_WATCH RingWatch),
        number!(w IOC_CONSUMED RingConsumed),
    ];
    let number = resized(numbers[args[1] as usize % numbers.len()], place.size);
    let called = sys::ioctl(node.fd, number, place.address);
    let refused = matches!(
        called,
        Err(libc::EOPNOTSUPP | libc::EBADF | libc::EFAULT | libc::EINVAL | libc::E2BIG)
    );
    if !refused && !node.common && node.own.is_some() {
        return Err(format!("no ring, and command {number:#x}: {called:?}"));
    }
    let state = args[1] | place.sort << 4 | u64::from(node.own.is_some()) << 8;
    Ok(Outcome::of(&called, state).racy(node.common))
}

pub fn sync(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let asked = RegionSync {
        region_offset: args[1],
        length: args[2],
        direction: args[3] as u32,
        flags: args[4] as u32,
        reserved: [0, args[5]],
    };
    let place = thread.arena.argument(args[6], bytes_of(&asked));
    let number = resized(number!(w IOC_SYNC RegionSync), place.size);
    let called = sys::ioctl(node.fd, number, place.address);
    let usable = node
        .own
        .as_ref()
        .is_some_and(|file| file.readable || file.writable);
    let writable = node.own.as_ref().is_some_and(|file| file.writable);
    let info = &thread.setting.regions[node.region].info;
    let expected = match place.refusal(size_of::<RegionSync>()) {
        Some(errno) => Some(Err(errno)),
        None if place.room >= place.size => Some(sync_of(info, &asked, writable)),
        None => None,
    };
    // What another loads meanwhile cannot be handed over; nor can what is in too many pieces.
    let noncoherent = info.flags & abi::REGION_NONCOHERENT != 0;
    let busy = noncoherent
        && expected == Some(Ok(()))
        && matches!(called, Err(libc::EBUSY | libc::ENOSPC));
    if let (true, Some(expected)) = (usable, expected)
        && called.map(|_| ()) != expected
        && !busy
    {
        return Err(format!("{called:?} instead of {expected:?}"));
    }
    let state = node.region as u64
        | place.sort << 4
        | u64::from(asked.direction & 3) << 8
        | u64::from(usable) << 12;
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// What the ABI says of a request.
fn sync_of(info: &RegionInfo, asked: &RegionSync, writable: bool) -> Result<(), i32> {
    if asked.flags != 0
        || asked.reserved != [0; 2]
        || asked.direction > abi::SYNC_FOR_DEVICE
        || asked.length == 0
    {
        return Err(libc::EINVAL);
    }
    let end = asked
        .region_offset
        .checked_add(asked.length)
        .ok_or(libc::EOVERFLOW)?;
    if end > info.size {
        return Err(libc::ERANGE);
    }
    if info.flags & (abi::REGION_DEVICE_WRITES | abi::REGION_DEVICE_READS) == 0 {
        return Err(libc::EOPNOTSUPP);
    }
    if asked.direction == abi::SYNC_FOR_DEVICE {
        if info.flags & abi::REGION_WRITABLE == 0 {
            return Err(libc::EPERM);
        }
        if !writable {
            return Err(libc::EBADF);
        }
    }
    Ok(())
}
