// SPDX-License-Identifier: MIT
//! A worker process: a few threads, each of which makes its share of the operations and rests twice.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::calls::process::THREADS;
use super::setting::Setting;
use super::shared::{Shared, WORKERS};
use super::thread::Thread;

/// What the workers have to do.
#[derive(Clone, Copy)]
pub struct Plan {
    /// What all their generators are derived from.
    pub seed: u64,
    /// Of each worker.
    pub operations: u32,
    /// In all processes.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
}

impl Plan {
    /// A rest after the first tenth: what a system keeps after it has once done everything is not lost.
    pub fn first_rest(&self) -> u32 {
        self.operations / 10
    }
}

#[derive(Clone, Copy)]
struct Memory(*mut Shared);

// SAFETY: Each thread writes to its own board; the rest is atomic, or written once.
unsafe impl Send for Memory {}

impl Memory {
    fn get(&self) -> *mut Shared {
        self.0
    }
}

/// Runs the threads of process `process` to their end.
pub fn run(setting: &Setting, shared: &mut Shared, plan: Plan, process: usize) {
    let memory = Memory(shared);
    thread::scope(|scope| {
        for number in (process..plan.workers.min(WORKERS)).step_by(plan.processes) {
            scope.spawn(move || {
                // SAFETY: The memory stays shared.
                let shared = unsafe { &mut *memory.get() };
                if let Err(violation) = work(setting, shared, plan, number) {
                    shared.violate(&format!("worker {number}: {violation}"));
                }
            });
        }
    });
}

fn work(setting: &Setting, shared: &mut Shared, plan: Plan, number: usize) -> Result<(), String> {
    // SAFETY: No memory is concerned.
    THREADS[number].store(unsafe { libc::syscall(libc::SYS_gettid) } as u32, SeqCst);
    let mut thread = Thread::new(setting, plan.seed, number)
        .map_err(|errno| format!("no start: errno {errno}"))?;
    for index in 0..plan.operations {
        if shared.is_violated() {
            return Ok(());
        }
        if index == plan.first_rest() {
            thread.rest()?;
            shared.rest(number, 1);
            thread.open_nodes();
        }
        let op = thread.draw();
        let board = &mut shared.boards[number];
        board.begin(index, &op);
        thread.make(&op, board)?;
    }
    thread.rest()?;
    shared.rest(number, 2);
    Ok(())
}

/// Makes the operations of one worker alone again, and prints those from number `from` on.
pub fn replay(
    setting: &Setting,
    shared: &mut Shared,
    plan: Plan,
    number: usize,
    from: u32,
) -> Result<(), String> {
    let mut thread = Thread::new(setting, plan.seed, number)
        .map_err(|errno| format!("no start: errno {errno}"))?;
    for index in 0..plan.operations {
        if index == plan.first_rest() {
            thread.rest()?;
            thread.open_nodes();
        }
        let op = thread.draw();
        let board = &mut shared.boards[number];
        board.begin(index, &op);
        if index >= from {
            println!("{index}: {op}");
        }
        let errno = thread.make(&op, board)?;
        if index >= from {
            println!("    {}", super::name_of(errno));
        }
    }
    Ok(())
}

impl Shared {
    /// Tells that a worker holds nothing, and waits until the supervisor has looked.
    fn rest(&mut self, number: usize, rest: u32) {
        self.boards[number].resting.store(rest, SeqCst);
        loop {
            let ended = self.rests_ended.load(SeqCst);
            if ended >= rest || self.is_violated() {
                return;
            }
            let word = self.rests_ended.as_ptr();
            // SAFETY: The word is an aligned atomic of 32 bits; without a time limit no other pointer is looked at.
            unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, ended, 0, 0, 0) };
        }
    }

    /// Ends a rest.
    pub fn end_rest(&mut self, rest: u32) {
        self.rests_ended.store(rest, SeqCst);
        let word = self.rests_ended.as_ptr();
        // SAFETY: As above.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
    }
}
