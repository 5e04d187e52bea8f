// SPDX-License-Identifier: MIT
//! Root without the right to raw memory.

use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use nix::errno::Errno;

use crate::errno_of;

/// From the kernel's `linux/capability.h`.
const CAP_SYS_RAWIO: libc::c_ulong = 17;

#[derive(Args)]
pub struct Confined {
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Confined {
    /// Becomes the command, without `CAP_SYS_RAWIO` and without a way to it.
    pub fn run(&self) -> Result<String, Errno> {
        // SAFETY: Takes a number; what it changes is this process.
        let ret = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_RAWIO, 0, 0, 0) };
        Errno::result(ret)?;
        Err(errno_of(
            Command::new(&self.command[0])
                .args(&self.command[1..])
                .exec(),
        ))
    }
}
