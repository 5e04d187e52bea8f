// SPDX-License-Identifier: MIT
//! Signals, and children that inherit what is open.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use resmem::abi::Snapshot;
use resmem::abi::Transfer;

use crate::fuzz::nodes::{self, CHILDREN};
use crate::fuzz::op::{Args, Outcome, Ran};
use crate::fuzz::shared::WORKERS;
use crate::fuzz::sys;
use crate::fuzz::thread::Thread;

use super::snapshot;

/// The threads of this process, for signals.
pub static THREADS: [AtomicU32; WORKERS] = [const { AtomicU32::new(0) }; WORKERS];

/// Interrupts another thread of the process in whatever it does.
pub fn signal(_thread: &mut Thread<'_>, args: &Args) -> Ran {
    let thread = THREADS[args[0] as usize % WORKERS].load(SeqCst);
    if thread == 0 {
        return Ok(Outcome::of::<u64>(&Err(libc::ESRCH), 0).racy(true));
    }
    // SAFETY: The signal has a handler that does nothing.
    let called = sys::called(unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1)
    });
    Ok(Outcome::of(&called, 0).racy(true))
}

/// A tracer stops a thread of the process in whatever it does, without a signal, and lets it go.
pub fn trace(_thread: &mut Thread<'_>, args: &Args) -> Ran {
    let traced = THREADS[args[0] as usize % WORKERS].load(SeqCst) as i32;
    if traced == 0 {
        return Ok(Outcome::of::<u64>(&Err(libc::ESRCH), 0).racy(true));
    }
    CHILDREN.fetch_add(1, SeqCst);
    // SAFETY: The child makes system calls, and nothing else; the status is its own.
    let called = sys::called(unsafe {
        let child = libc::fork();
        if child == 0 {
            let mut status = 0;
            let none = std::ptr::null_mut::<libc::c_void>();
            let request = |request| libc::ptrace(request, traced, none, none);
            // One tracer at a time: another may be at it.
            if request(libc::PTRACE_SEIZE) == 0 {
                request(libc::PTRACE_INTERRUPT);
                libc::waitpid(traced, &mut status, libc::__WALL);
                request(libc::PTRACE_DETACH);
            }
            libc::_exit(0);
        }
        child
    });
    let outcome = match called {
        Ok(child) => end(child as i32, false),
        Err(errno) => Ok(Outcome::of::<u64>(&Err(errno), 0)),
    };
    CHILDREN.fetch_sub(1, SeqCst);
    outcome.map(|outcome| outcome.racy(true))
}

/// A child that does something with what it inherited and ends, or is killed.
pub fn child(thread: &mut Thread<'_>, args: &Args) -> Ran {
    let node = thread.nodes.get(args[0]);
    let target = thread.targets.get(args[3]);
    let map = thread.maps.whole(args[2]);
    let region = &thread.setting.regions[node.region];
    let page = thread.page;
    let killed = args[1] == 4;
    let mut asked = Transfer {
        fd: target.fd,
        length: page.min(region.info.size as usize) as u64,
        file_offset: target.position(0xa_0000),
        ..Transfer::default()
    };
    let place = thread.arena.data(7);
    let whole = Snapshot {
        address: place.address as u64,
        length: region.info.size.min(place.room as u64),
        eventfd: -1,
        ..Snapshot::default()
    };
    CHILDREN.fetch_add(1, SeqCst);
    // SAFETY: The child makes system calls on what it inherited, and nothing else; what they write to is its own.
    let called = sys::called(unsafe {
        let child = libc::fork();
        if child == 0 {
            let code = match args[1] {
                0 => 0,
                // Ends with a snapshot under way.
                1 => resmem::ioctl::snapshot(node.fd, &whole).map_or(0, |_| 0),
                2 => {
                    for fd in 3..64 {
                        libc::close(fd);
                    }
                    0
                }
                3 => resmem::ioctl::dump(node.fd, &mut asked).map_or(0, |_| 0),
                4 => loop {
                    let _ = resmem::ioctl::dump(node.fd, &mut asked);
                    let _ = resmem::ioctl::snapshot(node.fd, &whole);
                },
                _ => match map {
                    // Its mapping goes with it.
                    Some(map) => libc::munmap(
                        std::ptr::without_provenance_mut(map.address),
                        map.length / 2,
                    ),
                    None => libc::close(nodes::common(0)).min(0),
                },
            };
            libc::_exit(i32::from(code != 0) & 0x7f);
        }
        child
    });
    let outcome = match called {
        Ok(child) => end(child as i32, killed),
        Err(errno) => Ok(Outcome::of::<u64>(&Err(errno), 0)),
    };
    CHILDREN.fetch_sub(1, SeqCst);
    if called.is_ok() && matches!(args[1], 1 | 4) {
        snapshot::started_by_another(&node);
    }
    let state = node.region as u64 | args[1] << 4 | u64::from(node.own.is_some()) << 8;
    outcome.map(|outcome| Outcome { state, ..outcome }.racy(node.common || killed))
}

/// Waits for a child, after killing it if need be.
fn end(child: i32, killed: bool) -> Ran {
    let mut status = 0;
    if killed {
        std::thread::yield_now();
        // SAFETY: It is our child, which has not been waited for.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
    // SAFETY: The status is ours.
    let waited = sys::again(|| sys::called(unsafe { libc::waitpid(child, &mut status, 0) }));
    let well = if killed {
        libc::WIFSIGNALED(status)
    } else {
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) <= 1
    };
    match well {
        true => Ok(Outcome::of(&waited, 0)),
        false => Err(format!("a child ended with status {status:#x}")),
    }
}
