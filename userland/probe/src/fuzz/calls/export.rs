// SPDX-License-Identifier: MIT
//! dma-bufs of regions: made, looked at, mapped, and closed.

use std::os::fd::RawFd;

use resmem::abi::{self, RegionExport, RegionInfo};
use resmem::ioctl::resized;

use crate::fuzz::arena::bytes_mut;
use crate::fuzz::commands::number;
use crate::fuzz::maps;
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;

use super::{bytes_of, value_of};

/// The flags, and one that is none.
pub const FLAGS: [u64; 6] = [0, 1, 2, 3, 3, 4];

/// `DMA_BUF_IOCTL_SYNC` of the kernel's `linux/dma-buf.h`.
const SYNC: u32 = nix::request_code_write!(b'b', 0, size_of::<u64>()) as u32;
const SYNC_WRITE: u64 = 2;

pub fn export(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    // Whole pages, as a rule.
    let whole = match args[6] & 3 {
        0 => u64::MAX,
        _ => !(thread.page as u64 - 1),
    };
    let asked = RegionExport {
        region_offset: args[1] & whole,
        length: args[2] & whole,
        flags: args[3] as u32,
        fd: -1,
        reserved: [0, args[4], 0, 0],
    };
    let place = thread.arena.argument(args[5], bytes_of(&asked));
    let number = resized(number!(rw IOC_EXPORT RegionExport), place.size);
    let called = sys::ioctl(node.fd, number, place.address);
    let region = &thread.setting.regions[node.region];
    if called.is_ok() && place.room >= place.size {
        let answer: RegionExport = value_of(bytes_mut(place.address, size_of::<RegionExport>()));
        let ran = judge(thread, node.region, &asked, &answer, args[7]);
        let _ = sys::close(answer.fd);
        if node.own.is_some() {
            ran?;
        }
    }
    if let Some(file) = &node.own
        && (file.readable || file.writable)
    {
        let expected = match place.refusal(size_of::<RegionExport>()) {
            Some(errno) => Some(Err(errno)),
            None if place.room >= place.size => {
                let page = thread.page as u64;
                Some(export_of(
                    &region.info,
                    &asked,
                    page,
                    file.readable,
                    file.writable,
                ))
            }
            None => None,
        };
        // Some of its pages have structures.
        let either = region.info.flags & abi::REGION_SOME_PAGES != 0
            && called == Err(libc::ENXIO)
            && expected == Some(Ok(()));
        if let Some(expected) = expected
            && called.map(|_| ()) != expected
            && !either
        {
            return Err(format!("{asked:?}: {called:?} instead of {expected:?}"));
        }
    }
    let state = node.region as u64
        | place.sort << 4
        | u64::from(asked.flags & 7) << 12
        | u64::from(node.own.is_some()) << 16;
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// What the ABI says of a request.
fn export_of(
    info: &RegionInfo,
    asked: &RegionExport,
    page: u64,
    readable: bool,
    writable: bool,
) -> Result<(), i32> {
    if asked.flags & !(abi::EXPORT_WRITE | abi::EXPORT_CLOEXEC) != 0 || asked.reserved != [0; 4] {
        return Err(libc::EINVAL);
    }
    if info.features & abi::FEATURE_EXPORT == 0 {
        return Err(libc::EOPNOTSUPP);
    }
    if !readable {
        return Err(libc::EBADF);
    }
    if asked.flags & abi::EXPORT_WRITE != 0 {
        if info.flags & abi::REGION_WRITABLE == 0 {
            return Err(libc::EPERM);
        }
        if !writable {
            return Err(libc::EBADF);
        }
    }
    let length = match asked.length {
        0 => {
            info.size
                .checked_sub(asked.region_offset)
                .ok_or(libc::ERANGE)?
                / page
                * page
        }
        length => length,
    };
    if length == 0 {
        return Err(libc::EINVAL);
    }
    let end = asked.region_offset.checked_add(length);
    if end.ok_or(libc::EOVERFLOW)? > info.size {
        return Err(libc::ERANGE);
    }
    if !(info.base | asked.region_offset | length).is_multiple_of(page) {
        return Err(libc::EINVAL);
    }
    match info.flags & (abi::REGION_PAGES | abi::REGION_SOME_PAGES) {
        0 => Err(libc::ENXIO),
        _ => Ok(()),
    }
}

/// Looks at a dma-buf: its size, a page of it, and whether it lets itself be written to.
fn judge(
    thread: &Thread<'_>,
    region: usize,
    asked: &RegionExport,
    answer: &RegionExport,
    random: u64,
) -> Result<(), String> {
    let (fd, page) = (answer.fd, thread.page);
    // SAFETY: Nothing of ours is passed.
    let size = sys::called(unsafe { libc::lseek64(fd, 0, libc::SEEK_END) });
    if size != Ok(answer.length) || asked.length != 0 && asked.length != answer.length {
        return Err(format!("{asked:?} gave {answer:?} of {size:?} bytes"));
    }
    let writes = asked.flags & abi::EXPORT_WRITE != 0;
    let mut access = random & 7;
    let called = sys::ioctl(fd, SYNC, (&raw mut access).addr());
    if called.is_ok() && access & SYNC_WRITE != 0 && !writes {
        return Err(format!("{asked:?}: access {access} was allowed"));
    }
    let map = |protection, offset| {
        let mapped = || sys::mmap(0, page, protection, libc::MAP_SHARED, fd, offset);
        maps::placing(mapped, None)
    };
    let stored = map(libc::PROT_READ | libc::PROT_WRITE, 0);
    if let Ok(address) = stored {
        maps::release(address, page, false);
        if !writes {
            return Err(format!("{asked:?} was mapped to be written to"));
        }
    }
    if map(libc::PROT_READ, answer.length).is_ok() {
        return Err(format!("{asked:?} was mapped beyond its end"));
    }
    let at = random % (answer.length / page as u64) * page as u64;
    let Ok(address) = map(libc::PROT_READ, at) else {
        return Ok(());
    };
    let seen = look(thread, region, asked.region_offset + at, address, page);
    maps::release(address, page, false);
    seen
}

/// What a page shows is what the region holds.
fn look(
    thread: &Thread<'_>,
    region: usize,
    offset: u64,
    address: usize,
    page: usize,
) -> Result<(), String> {
    let [read, write]: [RawFd; 2] = thread.pipe;
    let got = sys::write_raw(write, address, page).unwrap_or(0) as usize;
    let mut bytes = vec![0; got];
    if got > 0
        && sys::again(|| sys::read_raw(read, bytes.as_mut_ptr().addr(), got)) != Ok(got as u64)
    {
        return Err(format!("{got} bytes did not come out of the pipe"));
    }
    let filled = thread.setting.filled;
    thread.setting.regions[region].expect("export", offset, &bytes, filled)
}
