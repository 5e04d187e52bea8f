// SPDX-License-Identifier: MIT
//! Dumps that are killed, one after the other.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::{errno_of, open};

/// Until a dump waits for its disk.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Killed {
    node: PathBuf,
    file: PathBuf,
    #[arg(long, default_value_t = 1)]
    times: u32,
}

impl Killed {
    /// Says how many dumps were killed, and the seconds that it took, rounded up.
    pub fn run(&self) -> Result<String, Errno> {
        let node = open(&self.node, false)?;
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(&self.file)
            .map_err(errno_of)?;
        let mut argument = resmem::abi::Transfer {
            fd: file.as_raw_fd(),
            length: 64 << 20,
            chunk: 64 << 10,
            depth: 1,
            ..Default::default()
        };
        let begun = Instant::now();
        let mut killed = 0;
        for _ in 0..self.times {
            // SAFETY: There is one thread; the child makes one system call and ends.
            let child = match unsafe { fork() }? {
                ForkResult::Parent { child } => child,
                // SAFETY: The node is one of the driver's, the argument is valid.
                ForkResult::Child => unsafe {
                    let _ = resmem::ioctl::dump(node.as_raw_fd(), &mut argument);
                    libc::_exit(0)
                },
            };
            let stat = format!("/proc/{child}/stat");
            let started = Instant::now();
            // It sleeps when it waits for a request, and when it is done.
            while !fs::read_to_string(&stat)
                .map_err(errno_of)?
                .contains(") S ")
            {
                if started.elapsed() > DEADLINE {
                    return Err(Errno::ETIMEDOUT);
                }
                std::thread::yield_now();
            }
            kill(child, Signal::SIGKILL)?;
            if let WaitStatus::Signaled(..) = waitpid(child, None)? {
                killed += 1;
            }
        }
        let seconds = begun.elapsed().as_secs() + 1;
        Ok(format!("killed={killed} seconds={seconds}"))
    }
}
