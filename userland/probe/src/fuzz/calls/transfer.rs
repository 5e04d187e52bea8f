// SPDX-License-Identifier: MIT
//! Dumps and loads.

use resmem::abi;
use resmem::abi::Transfer;
use resmem::ioctl::resized;

use crate::fuzz::arena::bytes_mut;
use crate::fuzz::commands::number;
use crate::fuzz::nodes::Node;
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys::{self, Called};
use crate::fuzz::targets::{self, GOOD, Target};
use crate::fuzz::thread::Thread;
use crate::fuzz::value::Class;

use super::{bytes_of, value_of};

const SIZE: usize = size_of::<Transfer>();
/// What results are before a call.
const BEFORE: u64 = 0x5a5a_5a5a_5a5a_5a5a;

/// Arguments of both.
pub const ARGS: [Class; 10] = [
    Class::Node,
    Class::Target,
    Class::Bits((abi::TRANSFER_STRICT | abi::TRANSFER_NO_SYNC) as u64),
    Class::Offset,
    Class::Length,
    Class::FileOffset,
    Class::Chunk,
    Class::Depth,
    Class::Zero,
    Class::Argument,
];

/// Flags that a target is given by `fcntl()`, mostly those that it needs.
pub const FLAGS: [u64; 8] = [
    libc::O_DIRECT as u64,
    libc::O_DIRECT as u64,
    libc::O_DIRECT as u64,
    libc::O_DIRECT as u64,
    (libc::O_DIRECT | libc::O_APPEND) as u64,
    (libc::O_DIRECT | libc::O_NONBLOCK) as u64,
    libc::O_APPEND as u64,
    0,
];

pub fn dump(thread: &mut Thread<'_>, args: &Args) -> Ran {
    run(thread, args, false)
}

pub fn load(thread: &mut Thread<'_>, args: &Args) -> Ran {
    run(thread, args, true)
}

fn run(thread: &mut Thread<'_>, args: &Args, load: bool) -> Ran {
    let node = thread.nodes.get(args[0]);
    let target = thread.targets.get(args[1]);
    let mut asked = Transfer {
        fd: target.fd,
        flags: args[2] as u32,
        region_offset: args[3],
        length: args[4],
        file_offset: target.position(args[5]),
        chunk: args[6] as u32,
        depth: args[7] as u32,
        moved: BEFORE,
        direct: BEFORE,
        copied: BEFORE,
        error: BEFORE as u32,
        ..Transfer::default()
    };
    match args[8] % 5 {
        4 => asked.reserved0 = args[8] as u32,
        index => asked.reserved[index as usize] = args[8],
    }
    let place = thread.arena.argument(args[9], bytes_of(&asked));
    let command = match load {
        true => number!(rw IOC_LOAD Transfer),
        false => number!(rw IOC_DUMP Transfer),
    };
    let called = sys::ioctl(node.fd, resized(command, place.size), place.address);
    let usable = node
        .own
        .as_ref()
        .is_some_and(|file| file.readable || file.writable);
    let refusal = place.refusal(SIZE);
    let mut how = 0;
    if refusal.is_none() && place.room >= place.size {
        let told: Transfer = value_of(bytes_mut(place.address, SIZE));
        if let (true, Err(errno)) = (usable, &called)
            && results(&told) != [0, 0, 0, *errno as u64]
        {
            return Err(format!("errno {errno} is not in the answer: {told:?}"));
        }
        how = judge(thread, &node, &target, &asked, &told, &called, load)?;
    } else if called.is_ok() {
        return Err("an argument that is not all there was taken".to_owned());
    } else if let (true, Some(errno)) = (usable, refusal)
        && called != Err(errno)
    {
        return Err(format!("{called:?} for {} bytes", place.size));
    }
    let state = node.region as u64 | target.sort << 4 | place.sort << 12 | how << 16;
    Ok(Outcome::of(&called, state).racy(node.common || how & 1 != 0))
}

fn results(told: &Transfer) -> [u64; 4] {
    [told.moved, told.direct, told.copied, u64::from(told.error)]
}

/// Judges an answer; what it returns is for signatures, bit 0 for what stopped short.
fn judge(
    thread: &Thread<'_>,
    node: &Node,
    target: &Target,
    asked: &Transfer,
    told: &Transfer,
    called: &Called,
    load: bool,
) -> Result<u64, String> {
    let input = Transfer {
        moved: told.moved,
        direct: told.direct,
        copied: told.copied,
        error: told.error,
        ..*asked
    };
    if bytes_of(&input) != bytes_of(told) {
        return Err("what was asked has changed".to_owned());
    }
    let results = results(told);
    if let Err(errno) = called {
        let untouched = results == [BEFORE, BEFORE, BEFORE, BEFORE & 0xffff_ffff];
        if !untouched && results != [0, 0, 0, *errno as u64] {
            return Err(format!("errno {errno}, and {told:?}"));
        }
        if !refusals(load).contains(errno) {
            return Err(format!("errno {errno} is none of this command's"));
        }
        return Ok(0);
    }
    let region = &thread.setting.regions[node.region];
    let within = asked
        .region_offset
        .checked_add(asked.length)
        .is_some_and(|end| end <= region.info.size);
    let fields = asked.flags & !3 == 0
        && asked.reserved0 == 0
        && asked.reserved == [0; 4]
        && asked.depth <= 64;
    let chunk = asked.chunk.is_multiple_of(abi::CHUNK_MIN) && asked.chunk <= abi::CHUNK_MAX;
    if !(within && fields && chunk && asked.length > 0) {
        return Err(format!("taken: {asked:?}"));
    }
    if told.moved == 0
        || told.moved > asked.length
        || told.direct.checked_add(told.copied) != Some(told.moved)
    {
        return Err(format!("impossible: {told:?}"));
    }
    if (told.error == 0) != (told.moved == asked.length) || told.error > 4095 {
        return Err(format!("stopped without a reason: {told:?}"));
    }
    if asked.flags & abi::TRANSFER_STRICT != 0 && told.copied != 0 {
        return Err(format!("copied in spite of being strict: {told:?}"));
    }
    let flags = sys::fcntl(target.fd, libc::F_GETFL, 0).unwrap_or(0) as i32;
    if flags & libc::O_DIRECT == 0 || flags & libc::O_APPEND != 0 || flags & libc::O_PATH != 0 {
        return Err(format!("a transfer with flags {flags:#o}"));
    }
    let may_load = region.writable() && node.own.as_ref().is_none_or(|file| file.writable);
    if load && !may_load {
        return Err("a region was loaded without the right to".to_owned());
    }
    if !load && target.sort < GOOD && target.is_ours(asked.file_offset) {
        let (from, to) = (asked.region_offset, asked.file_offset);
        check(thread, node.region, target, from, to, told.moved)?;
    }
    let stopped = u64::from(told.error != 0);
    Ok(stopped
        | u64::from(told.direct != 0) << 1
        | u64::from(told.copied != 0) << 2
        | u64::from(asked.flags & 3) << 3)
}

/// The errnos that the ABI knows for a transfer that moved nothing.
fn refusals(load: bool) -> &'static [i32] {
    use libc::*;
    match load {
        false => &[
            EINVAL, EBADF, ESPIPE, EOPNOTSUPP, ERANGE, EOVERFLOW, ENXIO, EFAULT, EINTR, ENOSPC,
            EFBIG, ENOMEM,
        ],
        true => &[
            EINVAL, EBADF, ESPIPE, EOPNOTSUPP, ERANGE, EOVERFLOW, ENXIO, EFAULT, EINTR, EPERM,
            ENODATA, ENOMEM, EBUSY, ENOSPC,
        ],
    }
}

/// Looks at the ends of what was written from offset `from` of a region to a target.
pub fn check(
    thread: &Thread<'_>,
    region: usize,
    target: &Target,
    from: u64,
    to: u64,
    moved: u64,
) -> Result<(), String> {
    let Some(look) = target.look else {
        return Ok(());
    };
    let length = moved.min(4096);
    let mut bytes = vec![0; length as usize];
    for at in [0, moved - length] {
        let got = sys::pread(look, &mut bytes, to + at);
        if got != Ok(length) {
            return Err(format!("{got:?} of {length} bytes came back"));
        }
        let region = &thread.setting.regions[region];
        region.expect("dump", from + at, &bytes, thread.setting.filled)?;
    }
    Ok(())
}

/// Gives a target other flags, except for those that transfers mostly go to.
pub fn retarget(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let target = thread.targets.get(args[0]);
    let called = match (3..10).contains(&target.sort) {
        true => sys::fcntl(target.fd, libc::F_SETFL, args[1] as _),
        false => Err(libc::EBADF),
    };
    Ok(Outcome::of(&called, target.sort))
}

/// Changes the size of a target.
pub fn truncate(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let target = thread.targets.get(args[0]);
    let called = targets::truncate(target.fd, args[1]);
    Ok(Outcome::of(&called, target.sort))
}
