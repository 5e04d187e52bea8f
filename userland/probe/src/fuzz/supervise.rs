// SPDX-License-Identifier: MIT
//! The process above the workers: starts them, sees that they go on, and looks at the system when they rest.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::freezer::Freezer;
use super::held::{Held, uses};
use super::setting::Setting;
use super::shared::{Shared, WORKERS};
use super::sys;
use super::worker::{self, Plan};

/// How often workers are looked at.
const TICK: Duration = Duration::from_millis(50);

/// Runs the plan. The error is what must not be.
pub fn run(
    setting: &Setting,
    shared: &mut Shared,
    plan: Plan,
    patience: Duration,
) -> Result<(), String> {
    let before = uses()?;
    let mut processes = Vec::new();
    for process in 0..plan.processes {
        // SAFETY: There is one thread so far, so the child may do anything.
        match sys::called(unsafe { libc::fork() }) {
            Ok(0) => {
                worker::run(setting, shared, plan, process);
                // SAFETY: Ends the child.
                unsafe { libc::_exit(0) };
            }
            Ok(child) => processes.push(child as i32),
            Err(errno) => return Err(format!("no process: errno {errno}")),
        }
    }
    let freezer = Freezer::new(&processes);
    let watched =
        freezer.and_then(|freezer| watch(setting, shared, plan, patience, &mut processes, freezer));
    for process in processes {
        // SAFETY: It is our child, which has not been waited for.
        unsafe { libc::kill(process, libc::SIGKILL) };
        let mut status = 0;
        // SAFETY: The status is ours.
        let _ = sys::again(|| sys::called(unsafe { libc::waitpid(process, &mut status, 0) }));
    }
    watched?;
    match uses()? {
        after if after == before => Ok(()),
        after => Err(format!("the module has {after} uses, {before} before")),
    }
}

fn watch(
    setting: &Setting,
    shared: &mut Shared,
    plan: Plan,
    patience: Duration,
    processes: &mut Vec<i32>,
    mut freezer: Freezer,
) -> Result<(), String> {
    let mut held: Option<Held> = None;
    let mut seen = [(0, Instant::now()); WORKERS];
    let mut rest = 1;
    while !processes.is_empty() {
        std::thread::sleep(TICK);
        freezer.tick();
        if let Some(violation) = shared.violation() {
            return Err(violation);
        }
        for index in (0..processes.len()).rev() {
            let mut status = 0;
            // SAFETY: The status is ours.
            if sys::called(unsafe { libc::waitpid(processes[index], &mut status, libc::WNOHANG) })
                != Ok(0)
            {
                processes.swap_remove(index);
                if status != 0 {
                    return Err(format!("a worker process ended with status {status:#x}"));
                }
            }
        }
        let resting = shared.boards[..plan.workers]
            .iter()
            .all(|board| board.resting.load(SeqCst) >= rest);
        if resting && rest <= 2 {
            freezer.thaw();
            let least = held.as_ref().map_or(0, |held| held.free);
            let now = Held::look(setting, least)?;
            match &held {
                None => held = Some(now),
                Some(before) => now.compare(before, setting)?,
            }
            shared.end_rest(rest);
            rest += 1;
        }
        for (number, board) in shared.boards[..plan.workers].iter().enumerate() {
            let begun = board.begun.load(SeqCst);
            let idle = board.resting.load(SeqCst) >= rest;
            if begun != seen[number].0 || idle {
                seen[number] = (begun, Instant::now());
            } else if begun < plan.operations && seen[number].1.elapsed() > patience {
                return Err(format!(
                    "worker {number}: operation {} does not end",
                    begun.saturating_sub(1)
                ));
            }
        }
    }
    shared.violation().map_or(Ok(()), Err)
}

/// What a person needs who examines a violation.
pub fn report(shared: &Shared, plan: Plan) -> String {
    let mut text = String::new();
    for (number, board) in shared.boards[..plan.workers].iter().enumerate() {
        let _ = writeln!(text, "worker {number}, the last operations:");
        for (index, op) in board.last() {
            let _ = writeln!(text, "    {index}: {op}");
        }
    }
    let _ = writeln!(
        text,
        "repeat: probe fuzz --seed {:#x} --operations {} --threads {}; one worker alone: --replay WORKER:FROM",
        plan.seed,
        plan.operations * plan.workers as u32,
        plan.workers
    );
    text
}

/// A loop device on a file, for as long as this is there.
pub struct Loop(File);

const LOOP: &str = "/dev/loop0";
const LOOP_CONTROL: &str = "/dev/loop-control";
const LOOP_CTL_ADD: u32 = 0x4c80;
const LOOP_SET_FD: u32 = 0x4c00;
const LOOP_CLR_FD: u32 = 0x4c01;
const LOOP_BYTES: u64 = 32 << 20;

impl Loop {
    /// Attaches /dev/loop0 to a new file; `None` where there is no such device.
    pub fn attach(file: &Path) -> Option<Self> {
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(file)
            .ok()?;
        file.set_len(LOOP_BYTES).ok()?;
        let control = File::options()
            .read(true)
            .write(true)
            .open(LOOP_CONTROL)
            .ok()?;
        // The kernel makes none by itself; one that is there stays.
        let _ = sys::ioctl(control.as_raw_fd(), LOOP_CTL_ADD, 0);
        let device = File::options().read(true).write(true).open(LOOP).ok()?;
        sys::ioctl(device.as_raw_fd(), LOOP_SET_FD, file.as_raw_fd() as usize).ok()?;
        Some(Self(device))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = sys::ioctl(self.0.as_raw_fd(), LOOP_CLR_FD, 0);
    }
}
