// SPDX-License-Identifier: MIT
//! What else can be asked of any descriptor, and nodes that are handed on.

use std::os::fd::RawFd;

use crate::fuzz::arena::bytes_mut;
use crate::fuzz::nodes::Nodes;
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;

pub fn misc(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let (fd, offset, length) = (node.fd, args[2] as i64, args[3] as i64);
    let target = thread.targets.get(31).fd;
    let mut at = offset;
    let mut stat: libc::stat64 = unsafe_zeroed();
    // SAFETY: What is written to is ours.
    let called = sys::called(unsafe {
        match args[1] {
            0 => i64::from(libc::fsync(fd)),
            1 => i64::from(libc::fdatasync(fd)),
            2 => i64::from(libc::flock(fd, libc::LOCK_SH | libc::LOCK_NB)),
            3 => refused_if_not_zero(libc::posix_fadvise64(
                fd,
                offset,
                length,
                libc::POSIX_FADV_WILLNEED,
            )),
            4 => libc::readahead(fd, offset, length as usize) as i64,
            5 => i64::from(libc::fallocate64(fd, 0, offset, length)),
            6 => i64::from(libc::ftruncate64(fd, length)),
            7 => i64::from(libc::flock(fd, libc::LOCK_UN | libc::LOCK_NB)),
            8 => i64::from(libc::fstat64(fd, &mut stat)),
            _ => {
                let null = std::ptr::null_mut();
                libc::copy_file_range(fd, &mut at, target, null, length as usize & 0xffff, 0) as i64
            }
        }
    });
    if called.is_ok() && matches!(args[1], 5 | 6) {
        return Err("the size of a node was changed".to_owned());
    }
    let state = args[1] << 4 | u64::from(node.own.is_some());
    Ok(Outcome::of(&called, state).racy(node.common))
}

/// `posix_fadvise()` returns its errno.
fn refused_if_not_zero(errno: i32) -> i64 {
    nix::errno::Errno::from_raw(errno).set();
    if errno == 0 { 0 } else { -1 }
}

fn unsafe_zeroed() -> libc::stat64 {
    // SAFETY: Integers: zeroes are a value.
    unsafe { std::mem::zeroed() }
}

/// The kernel's `struct iocb`, with its key zero, so that the order of two fields does not matter.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key_and_flags: u64,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event: u32,
}

pub fn aio(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let place = thread.arena.data(args[2]);
    let opcode = [0, 2, 5, 7][args[1] as usize % 4];
    let polls = opcode == 5;
    let mut control = Iocb {
        opcode,
        fd: node.fd.cast_unsigned(),
        buffer: if polls {
            args[3] & 0xffff
        } else {
            place.address as u64
        },
        length: if polls { 0 } else { args[3] },
        offset: if polls { 0 } else { args[4] as i64 },
        ..Iocb::default()
    };
    let list = [&raw mut control];
    let mut events = [[0u64; 4]; 4];
    // SAFETY: The control block and the list stay until the request has ended, below; the buffer is in the arena.
    let called =
        sys::called(unsafe { libc::syscall(libc::SYS_io_submit, thread.aio, 1, list.as_ptr()) });
    if called == Ok(1) {
        // SAFETY: As above. A poll that is not due is called off; its end comes as an event too.
        unsafe {
            libc::syscall(
                libc::SYS_io_cancel,
                thread.aio,
                list[0],
                events.as_mut_ptr(),
            )
        };
        let mut time = libc::timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let ended = sys::again(|| {
            // SAFETY: There is room for that many events.
            sys::called(unsafe {
                libc::syscall(
                    libc::SYS_io_getevents,
                    thread.aio,
                    1,
                    4,
                    events.as_mut_ptr(),
                    &mut time,
                )
            })
        });
        if ended != Ok(1) {
            return Err(format!("an asynchronous request did not end: {ended:?}"));
        }
        let (got, region) = (events[0][2] as i64, &thread.setting.regions[node.region]);
        if opcode == 0 && got > 0 && place.room >= got as usize {
            let bytes = bytes_mut(place.address, got as usize);
            region.expect("aio", args[4], bytes, thread.setting.filled)?;
        }
    }
    let state = node.region as u64
        | u64::from(opcode) << 4
        | place.sort << 8
        | u64::from(node.own.is_some()) << 12;
    Ok(Outcome::of(&called, state).racy(node.common || polls))
}

/// Room for one descriptor in a control message.
const CONTROL: usize = 64;

/// Sends a node through a socket, perhaps closes it meanwhile, and takes it out again.
pub fn pass(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let (Some(file), Some(slot)) = (node.own, Nodes::slot(args[0])) else {
        return Ok(Outcome::of::<u64>(&Err(libc::EBADF), 0));
    };
    let mut byte = [0u8];
    let mut iov = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut control = [0u64; CONTROL / 8];
    // SAFETY: Zeroes are a value; what is put in below lives until the calls have been made, and there is room for
    // a header and a descriptor.
    let (sent, received, fd) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header)
            .cast::<RawFd>()
            .write_unaligned(node.fd);
        let sent = sys::called(libc::sendmsg(thread.sockets[0], &message, 0));
        if sent.is_err() {
            return Ok(Outcome::of(&sent, 1));
        }
        if args[1] == 1 {
            let _ = sys::again(|| sys::called(libc::dup3(thread.epoll, node.fd, libc::O_CLOEXEC)));
        }
        message.msg_controllen = CONTROL as _;
        let received = sys::again(|| {
            sys::called(libc::recvmsg(
                thread.sockets[1],
                &mut message,
                libc::MSG_CMSG_CLOEXEC,
            ))
        });
        let header = libc::CMSG_FIRSTHDR(&message);
        if header.is_null() {
            return Err(format!("a node was lost on its way: {received:?}"));
        }
        (
            sent,
            received,
            libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned(),
        )
    };
    if received.is_err() {
        return Err(format!("a message was lost on its way: {received:?}"));
    }
    // The slot's own number stands for something else by now, or for one node more.
    thread.nodes.put_again(slot, fd, file);
    Ok(Outcome::of(&sent, 2 | args[1]))
}
