// SPDX-License-Identifier: MIT
//! What a guest runs on: a machine of QEMU's, or a board behind commands.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;

use crate::console::Console;

/// What a guest runs on. Its console stays the same when it is switched off and on.
pub trait Target: Send {
    /// Gives it power, which it does not have.
    fn power_on(&mut self, console: &mut Console) -> Result<()>;

    /// Takes its power away at once, as pulling the plug does.
    fn power_off(&mut self) -> Result<()>;

    /// Takes its power away and gives it back.
    fn power_cycle(&mut self, console: &mut Console) -> Result<()> {
        self.power_off()?;
        self.power_on(console)
    }

    /// Waits, up to `limit`, until the system that is to end has ended, and leaves it without power. What it
    /// ended with: success where it has no exit status.
    fn ended(&mut self, console: &mut Console, limit: Duration) -> Result<ExitStatus>;

    /// Puts its processes under the time limit of the work that this thread does.
    fn used_by_this_test(&self);

    /// What takes its power away from another thread; an error of that is not told.
    fn plug(&self) -> Box<dyn FnOnce() + Send>;

    /// Why nothing comes or goes over its line any more, where what has the line has ended and is not the board.
    fn line_ended(&mut self) -> Option<String> {
        None
    }

    /// What is needed to examine a failure, besides the console.
    fn report(&self) -> String;
}
