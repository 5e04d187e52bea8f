// SPDX-License-Identifier: MIT
//! Mappings: made, changed, looked at, stored to, and handed to others.

use std::os::fd::RawFd;

use crate::fuzz::arena::FIXED;
use crate::fuzz::maps::{self, Map, Maps};
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;
use resmem::abi;

/// Protections: mostly such as a mapping may have.
pub const PROTECTIONS: [u64; 8] = [1, 1, 1, 3, 3, 0, 5, 7];
/// Ways to map; bit 4 (`MAP_FIXED`) goes to a place of the thread's own.
pub const MAPS: [u64; 10] = [1, 1, 1, 2, 2, 3, 0x11, 0x12, 0x8001, 0x4001];
/// Advice, except for what an administrator asks the kernel to do to a page that is broken (100, 101).
pub const ADVICE: [u64; 22] = [
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25,
];

pub fn map(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let length = args[2] as usize;
    let (prot, mut flags, offset) = (args[3] as i32, args[4] as i32, args[5] & sys::MMAP_OFFSETS);
    flags &= !(libc::MAP_FIXED_NOREPLACE | libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN);
    let fixed = flags & libc::MAP_FIXED != 0;
    let mut address = 0;
    if fixed {
        if length.next_multiple_of(thread.page) > PLACE || length == 0 {
            return Ok(Outcome::of::<u64>(&Err(libc::EINVAL), 1));
        }
        address = Maps::fixed(&thread.arena, args[1]);
    }
    thread.maps.remove(args[1]);
    let called = maps::placing(
        || sys::mmap(address, length, prot, flags, node.fd, offset),
        fixed.then_some((address, length)),
    );
    let region = &thread.setting.regions[node.region];
    let page = thread.page as u64;
    let pages = (length as u64).div_ceil(page).saturating_mul(page);
    let shared = flags & 3 != libc::MAP_PRIVATE;
    let stores = prot & libc::PROT_WRITE != 0;
    let readable = node.own.as_ref().is_some_and(|file| file.readable);
    let writable =
        node.own.as_ref().is_some_and(|file| file.writable) && region.writable() && shared;
    // Whole pages of the region; the offset is cut off to pages, as the kernel does it in units of 4 KiB.
    let whole = region.info.size / page * page;
    let within = (offset & !(page - 1))
        .checked_add(pages)
        .is_some_and(|end| end <= whole);
    let allowed = within
        && region.info.base.is_multiple_of(page)
        && region.info.flags & abi::REGION_PAGES != 0
        && prot & libc::PROT_EXEC == 0
        && (!stores || writable);
    if let Ok(at) = called {
        let some =
            region.info.flags & abi::REGION_SOME_PAGES != 0 && within && (!stores || writable);
        if !(allowed || some || node.common) {
            return Err(format!(
                "{length} bytes of {} from {offset:#x} were mapped",
                region.label
            ));
        }
        let map = Map {
            address: at,
            length: pages as usize,
            region: node.region,
            offset: offset & !(page - 1),
            storable: writable,
            intact: prot & libc::PROT_READ != 0,
            fixed,
            hole: None,
        };
        if node.own.is_some() {
            thread.maps.put(args[1], map);
        } else {
            maps::release(at, pages as usize, fixed);
        }
    } else if allowed
        && readable
        && length > 0
        && offset % page == 0
        && matches!(flags, 1 | 2)
        && prot & !3 == 0
    {
        return Err(format!(
            "{length} bytes of {} from {offset:#x} were not mapped: {called:?}",
            region.label
        ));
    }
    let state =
        node.region as u64 | (args[3] & 7) << 4 | (args[4] & 0x1f) << 8 | u64::from(readable) << 16;
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// Bytes for one mapping at a place of the thread's own.
const PLACE: usize = FIXED / maps::MAPS;

fn none() -> Ran {
    Ok(Outcome::of::<u64>(&Err(libc::ENOENT), 0))
}

pub fn unmap(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let Some(map) = thread.maps.get(args[0]) else {
        return none();
    };
    let part = map.part(args[1], args[2], page);
    let state = map.region as u64 | u64::from(map.fixed) << 4;
    match part {
        // The first pages stay, and what is behind the part: the place between is not ours any more.
        Some((address, length)) if !map.fixed && address > map.address => {
            let called = sys::munmap(address, length);
            map.hole = Some((address, address + length));
            map.intact = false;
            Ok(Outcome::of(&called, state | 1 << 5))
        }
        _ => {
            thread.maps.remove(args[0]);
            Ok(Outcome::of(&Ok(0), state))
        }
    }
}

pub fn remap(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let fixed_at = Maps::fixed(&thread.arena, args[0]);
    let Some(map) = thread
        .maps
        .get(args[0])
        .filter(|map| map.hole.is_none() && !map.fixed)
    else {
        return none();
    };
    let length = (args[1] as usize)
        .checked_next_multiple_of(page)
        .unwrap_or(usize::MAX);
    let mut flags = args[2] as i32 & 7;
    if length > PLACE || length == 0 {
        flags &= !libc::MREMAP_FIXED;
    }
    let old = std::ptr::without_provenance_mut(map.address);
    let new = std::ptr::without_provenance_mut::<libc::c_void>(fixed_at);
    let called = maps::placing(
        || {
            // SAFETY: The mapping is this thread's; a fixed place is too.
            let ret = unsafe { libc::mremap(old, map.length, length, flags, new) };
            match ret == libc::MAP_FAILED {
                true => Err(nix::errno::Errno::last_raw()),
                false => Ok(ret.addr()),
            }
        },
        (flags & libc::MREMAP_FIXED != 0).then_some((fixed_at, length)),
    );
    let state = map.region as u64 | (flags as u64) << 4;
    if let Ok(address) = called {
        if length > map.length {
            return Err(format!(
                "a mapping of {} bytes grew to {length}",
                map.length
            ));
        }
        if flags & 4 != 0 {
            // MREMAP_DONTUNMAP: the old place stays as well, without its pages.
            let _ = sys::munmap(map.address, map.length);
        }
        map.address = address;
        map.length = length;
        map.fixed = flags & libc::MREMAP_FIXED != 0;
        map.intact = false;
    }
    Ok(Outcome::of(&called, state))
}

pub fn protect(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let Some(map) = thread.maps.get(args[0]) else {
        return none();
    };
    let Some((address, length)) = map.part(args[1], args[2], page) else {
        return none();
    };
    let protection = args[3] as i32;
    // SAFETY: The mapping is this thread's, and only looked at by calls that say when they cannot.
    let called = sys::called(unsafe {
        libc::mprotect(
            std::ptr::without_provenance_mut(address),
            length,
            protection,
        )
    });
    if called.is_ok() {
        if protection & libc::PROT_WRITE != 0 && !map.storable || protection & libc::PROT_EXEC != 0
        {
            return Err(format!("protection {protection:#x} was given"));
        }
        map.intact = false;
    }
    Ok(Outcome::of(
        &called,
        map.region as u64 | (args[3] & 7) << 4 | u64::from(map.storable) << 8,
    ))
}

pub fn advise(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let Some(map) = thread.maps.get(args[0]) else {
        return none();
    };
    let Some((address, length)) = map.part(args[1], args[2], page) else {
        return none();
    };
    let start = std::ptr::without_provenance_mut(address);
    let advice = args[3] as i32;
    // SAFETY: The mapping is this thread's; what becomes of its content is judged when it is looked at.
    let called = sys::called(unsafe {
        match advice {
            // Not for the kernel's reaction to broken memory.
            100 | 101 => libc::msync(start, length, libc::MS_SYNC),
            advice if ADVICE.contains(&(advice as u64)) => libc::madvise(start, length, advice),
            advice if advice & 1 == 0 => libc::mlock(start, length),
            _ => libc::munlock(start, length),
        }
    });
    map.intact = false;
    Ok(Outcome::of(
        &called,
        map.region as u64 | (args[3] & 31) << 4,
    ))
}

/// Looks at a mapping by calls that say so when they cannot.
pub fn look(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let [read, write] = thread.pipe;
    let Some(map) = thread.maps.whole(args[0]) else {
        return none();
    };
    let at = args[1] as usize % map.length;
    let length = (args[2] as usize % page).clamp(1, map.length - at);
    let iov = [map.address + at, length];
    let called = match args[3] {
        // By reference.
        // SAFETY: The pages are only read.
        3 => sys::called(unsafe {
            libc::vmsplice(write, iov.as_ptr().cast(), 1, libc::SPLICE_F_NONBLOCK as _)
        }),
        _ => sys::write_raw(write, map.address + at, length),
    };
    let got = called.unwrap_or(0) as usize;
    let mut bytes = vec![0; got];
    if got > 0
        && sys::again(|| sys::read_raw(read, bytes.as_mut_ptr().addr(), got)) != Ok(got as u64)
    {
        return Err(format!("{got} bytes did not come out of the pipe"));
    }
    let region = &thread.setting.regions[map.region];
    region.expect(
        "mapping",
        map.offset + at as u64,
        &bytes,
        thread.setting.filled,
    )?;
    if map.intact && got < length && called != Err(libc::EINTR) {
        return Err(format!("{called:?} of {length} bytes of a mapping"));
    }
    let state = map.region as u64 | u64::from(args[3] == 3) << 4 | u64::from(map.storable) << 5;
    Ok(Outcome::of(&called, state))
}

/// Stores to a mapping, likewise.
pub fn store(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let Some(map) = thread.maps.whole(args[0]) else {
        return none();
    };
    let at = args[1] as usize % map.length;
    let length = (args[2] as usize).clamp(1, map.length - at);
    let called = sys::pread_raw(thread.supply, map.address + at, length, 0);
    if called.is_ok() && !map.storable {
        return Err(format!(
            "{} was stored to",
            thread.setting.regions[map.region].label
        ));
    }
    Ok(Outcome::of(
        &called,
        map.region as u64 | u64::from(map.storable) << 4,
    ))
}

/// Direct I/O from a mapping, and to it.
pub fn direct(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let page = thread.page;
    let Some(map) = thread.maps.get(args[0]).copied() else {
        return none();
    };
    let Some((address, length)) = map.part(args[1], args[2] * page as u64, page) else {
        return none();
    };
    let target = thread.targets.get(args[3] * 12);
    let (fd, position): (RawFd, u64) = (target.fd, target.position(0x8_0000));
    if sys::fcntl(fd, libc::F_GETFL, 0).is_ok_and(|flags| flags as i32 & libc::O_APPEND != 0) {
        // It would be written elsewhere.
        return none();
    }
    let load = args[2] & 1 != 0;
    let called = match load {
        true => sys::pread_raw(fd, address, length, position),
        false => sys::pwrite_raw(fd, address, length, position),
    };
    let moved = called.unwrap_or(0);
    if load && moved > 0 && !map.storable {
        return Err("a read-only mapping was read into".to_owned());
    }
    if let (Some(look), false, true) = (target.look, load, moved > 0) {
        let mut bytes = vec![0; moved as usize];
        if sys::pread(look, &mut bytes, position) != Ok(moved) {
            return Err("what was written did not come back".to_owned());
        }
        let offset = map.offset + (address - map.address) as u64;
        thread.setting.regions[map.region].expect(
            "direct",
            offset,
            &bytes,
            thread.setting.filled,
        )?;
    }
    Ok(Outcome::of(
        &called,
        map.region as u64 | target.sort << 4 | u64::from(load) << 8,
    ))
}
