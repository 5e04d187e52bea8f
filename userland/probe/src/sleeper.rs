// SPDX-License-Identifier: MIT
//! A thread sleeps in `poll()` on a node while snapshots are started and end there.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{gettid, pipe};
use resmem::abi::Snapshot;

use crate::{errno_of, open};

const BYTES: usize = 4096;

pub fn run(node: &Path) -> Result<String, Errno> {
    let node = open(node, false)?;
    let mut memory = vec![0u8; BYTES];
    let asked = Snapshot {
        address: memory.as_mut_ptr().addr() as u64,
        length: BYTES as u64,
        eventfd: -1,
        ..Default::default()
    };
    fill(&node, &asked)?;
    let (asleep, wake) = pipe()?;
    let (tell, told) = channel();
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let _ = tell.send(gettid());
            let mut fds = [
                // What a node never has, so that only the pipe wakes.
                PollFd::new(node.as_fd(), PollFlags::POLLPRI),
                PollFd::new(asleep.as_fd(), PollFlags::POLLIN),
            ];
            poll(&mut fds, PollTimeout::NONE)
        });
        let thread = told.recv().map_err(|_| Errno::ESRCH)?;
        let stat = format!("/proc/self/task/{thread}/stat");
        while !fs::read_to_string(&stat)
            .map_err(errno_of)?
            .contains(") S ")
        {
            thread::yield_now();
        }
        let again = fill(&node, &asked).and_then(|()| fill(&node, &asked));
        drop(wake);
        sleeper.join().map_err(|_| Errno::ESRCH)??;
        again
    })?;
    Ok(String::new())
}

/// One snapshot, to its end.
fn fill(node: &File, asked: &Snapshot) -> Result<(), Errno> {
    // SAFETY: The node is one of the driver's; the buffer stays, and nothing looks at it.
    unsafe { resmem::ioctl::snapshot(node.as_raw_fd(), asked) }?;
    poll(
        &mut [PollFd::new(node.as_fd(), PollFlags::POLLIN)],
        PollTimeout::NONE,
    )?;
    Ok(())
}
