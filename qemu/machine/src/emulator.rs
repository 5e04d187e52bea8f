// SPDX-License-Identifier: MIT
//! QEMU's process as the target that a guest runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use host::deadline::{self, Handle};

use crate::console::Console;
use crate::target::Target;

/// A machine of QEMU's.
pub(crate) struct Emulator {
    command: Command,
    child: Child,
    handle: Arc<Handle>,
    folder: PathBuf,
}

impl Emulator {
    /// Starts it, and takes its console. The command has pipes for the serial line, and leaves its own messages in
    /// `<folder>/qemu.stderr`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<(Self, Console)> {
        let (child, input, output) = spawn(&mut command)?;
        let handle = Arc::new(Handle::of(&child)?);
        deadline::uses(&handle);
        let console = Console::new(input, output, &folder.join("console.log"))?;
        let emulator = Self {
            command,
            child,
            handle,
            folder: folder.to_path_buf(),
        };
        Ok((emulator, console))
    }
}

fn spawn(command: &mut Command) -> Result<(Child, ChildStdin, ChildStdout)> {
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        unreachable!("both are pipes");
    };
    Ok((child, input, output))
}

impl Target for Emulator {
    fn power_on(&mut self, console: &mut Console) -> Result<()> {
        let (child, input, output) = spawn(&mut self.command)?;
        self.child = child;
        self.handle = Arc::new(Handle::of(&self.child)?);
        deadline::uses(&self.handle);
        console.reopen(input, output)
    }

    fn power_off(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn ended(&mut self, console: &mut Console, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // The console closes when QEMU ends; until then there is nothing else to wait for.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the guest did not power off within {limit:?}");
            }
            let _ = console.wait_for("\0", left);
        }
    }

    fn used_by_this_test(&self) {
        deadline::uses(&self.handle);
    }

    fn plug(&self) -> Box<dyn FnOnce() + Send> {
        let handle = Arc::clone(&self.handle);
        Box::new(move || handle.kill())
    }

    fn report(&self) -> String {
        let folder = self.folder.display();
        let stderr = fs::read_to_string(self.folder.join("qemu.stderr")).unwrap_or_default();
        format!(
            "--- QEMU's own messages\n{stderr}\n\
             --- command line: {folder}/qemu.sh; run it by hand for an interactive guest"
        )
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Nothing to do about an error: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
