// SPDX-License-Identifier: MIT
//! What a process that watches a file is notified of while a command runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::errno_of;

#[derive(Args)]
pub struct Watch {
    file: PathBuf,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Watch {
    /// Prints whether reads and writes were reported when the command had ended. Equal events that
    /// were not fetched are one: they are not counted.
    pub fn run(&self) -> Result<String, Errno> {
        let watch = Inotify::init(InitFlags::IN_NONBLOCK)?;
        let wanted = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ACCESS;
        watch.add_watch(&self.file, wanted)?;
        let status = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdout(Stdio::null())
            .status()
            .map_err(errno_of)?;
        if !status.success() {
            return Err(Errno::ECHILD);
        }
        let events = match watch.read_events() {
            Err(Errno::EAGAIN) => Vec::new(),
            events => events?,
        };
        let told = |flag| events.iter().any(|event| event.mask.contains(flag));
        Ok(format!(
            "modified={} accessed={}",
            told(AddWatchFlags::IN_MODIFY),
            told(AddWatchFlags::IN_ACCESS)
        ))
    }
}
