// SPDX-License-Identifier: MIT
//! Counts what a command costs the processor: the process, interrupts, kernel workers, everything.
//!
//! Under `-icount shift=0` a nanosecond of guest time is an instruction. A thread of the lowest
//! priority counts turns of a loop of fixed cost; it gets the time that is left. What the others
//! cost is the time that has passed less the thread's turns, each at what a turn costs when nothing
//! else wants anything (the timer tick included, so that it is not counted).

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;

use crate::errno_of;

#[derive(Args)]
pub struct Meter {
    /// How often to run it; the least cost is printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

static TURNS: AtomicU32 = AtomicU32::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

impl Meter {
    pub fn run(&self) -> Result<String, Errno> {
        let idler = thread::spawn(take_what_is_left);
        // Until it has the processor, there is nothing to calibrate.
        while TURNS.load(Relaxed) == 0 {
            thread::yield_now();
        }
        let mut least = f64::INFINITY;
        for _ in 0..self.rounds {
            let quiet = span(|| {
                thread::park_timeout(Duration::from_millis(200));
                Ok(())
            })?;
            let busy = span(|| {
                let status = Command::new(&self.command[0])
                    .args(&self.command[1..])
                    .stdout(Stdio::null())
                    .status()
                    .map_err(errno_of)?;
                if status.success() {
                    Ok(())
                } else {
                    Err(Errno::ECHILD)
                }
            })?;
            least = least.min(busy.0 - busy.1 * (quiet.0 / quiet.1));
        }
        STOP.store(true, Relaxed);
        let _ = idler.join();
        Ok(format!("instructions={least:.0}"))
    }
}

/// Nanoseconds and turns during `work`.
fn span(work: impl FnOnce() -> Result<(), Errno>) -> Result<(f64, f64), Errno> {
    let (started, turns) = (Instant::now(), TURNS.load(Relaxed));
    work()?;
    let elapsed = started.elapsed().as_nanos() as f64;
    Ok((elapsed, f64::from(TURNS.load(Relaxed).wrapping_sub(turns))))
}

fn take_what_is_left() {
    let lowest = libc::sched_param { sched_priority: 0 };
    // SAFETY: The parameter is valid for the call, which concerns this thread only.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &lowest) } != 0 {
        return;
    }
    while !STOP.load(Relaxed) {
        // One writer: no need for an atomic addition.
        TURNS.store(TURNS.load(Relaxed).wrapping_add(1), Relaxed);
    }
}
