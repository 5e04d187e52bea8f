// SPDX-License-Identifier: MIT
//! A snapshot's worker, and who waits for it, watches it, or closes the file meanwhile.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::check;
use crate::job::Job;

const PIECES: usize = 2;
const PREEMPTIONS: usize = 4;
const CANCELLED: i32 = -125;

/// Memory of the process: the worker's while it is pinned, the process's own otherwise.
#[derive(Default)]
struct Memory(UnsafeCell<usize>);

impl Memory {
    fn access(&self) {
        // SAFETY: None is needed: the model checker has refused a race before.
        self.0.with_mut(|memory| unsafe { *memory += 1 });
    }
}

/// As `PinnedBuffer`: unpinning writes to the pages' flags.
struct Pinned(Arc<Snapshot>);

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.memory.access();
    }
}

/// An eventfd, or a wait queue.
#[derive(Default)]
struct Event {
    count: Mutex<u32>,
    told: Condvar,
}

impl Event {
    fn tell(&self) {
        *self.count.lock().unwrap() += 1;
        self.told.notify_all();
    }

    fn wait(&self) {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            count = self.told.wait(count).unwrap();
        }
    }
}

/// As the module's `Snapshot`.
struct Snapshot {
    job: Job,
    memory: Memory,
    event: Event,
    /// Who polls is in the queue.
    queue: Mutex<bool>,
    woken: Event,
    /// The module's code, which the worker is in.
    code: Memory,
}

impl Snapshot {
    fn start() -> (Arc<Self>, JoinHandle<()>) {
        let snapshot = Arc::new(Self {
            job: Job::new(),
            memory: Memory::default(),
            event: Event::default(),
            queue: Mutex::new(false),
            woken: Event::default(),
            code: Memory::default(),
        });
        let worker = snapshot.clone();
        (snapshot, thread::spawn(move || Self::run(&worker)))
    }

    fn run(this: &Arc<Self>) {
        let buffer = Pinned(this.clone());
        let error = this.fill();
        this.job.end(buffer, error, || {
            this.event.tell();
            if *this.queue.lock().unwrap() {
                this.woken.tell();
            }
        });
        this.code.access();
    }

    fn fill(&self) -> i32 {
        for piece in 1..=PIECES {
            if self.job.is_cancelled() {
                return CANCELLED;
            }
            self.memory.access();
            self.job.advance(piece);
        }
        0
    }

    /// What holds once it has ended.
    fn check_end(&self) {
        let status = self.job.status();
        assert!(status.ended);
        match status.error {
            0 => assert_eq!(status.bytes, PIECES),
            error => assert!(error == CANCELLED && status.bytes < PIECES),
        }
        self.memory.access();
    }
}

#[test]
fn a_file_is_closed_at_any_time() {
    check(PREEMPTIONS, || {
        let (snapshot, worker) = Snapshot::start();
        snapshot.job.cancel();
        // `flush_work()`: the worker has returned from the module's code.
        worker.join().unwrap();
        snapshot.check_end();
        snapshot.code.access();
        assert_eq!(*snapshot.event.count.lock().unwrap(), 1);
    });
}

#[test]
fn an_eventfd_is_signalled_once_and_the_buffer_is_the_process_s_own_then() {
    check(PREEMPTIONS, || {
        let (snapshot, worker) = Snapshot::start();
        snapshot.event.wait();
        snapshot.check_end();
        worker.join().unwrap();
        assert_eq!(*snapshot.event.count.lock().unwrap(), 1);
    });
}

#[test]
fn who_polls_is_woken() {
    check(PREEMPTIONS, || {
        let (snapshot, _) = Snapshot::start();
        *snapshot.queue.lock().unwrap() = true;
        if !snapshot.job.has_ended() {
            snapshot.woken.wait();
        }
        snapshot.check_end();
    });
}

#[test]
fn a_status_that_says_done_is_final() {
    check(PREEMPTIONS, || {
        let (snapshot, _) = Snapshot::start();
        let watcher = snapshot.clone();
        let other = thread::spawn(move || {
            let early = watcher.job.status();
            assert!(early.bytes <= PIECES);
            if early.ended {
                let late = watcher.job.status();
                assert_eq!((late.bytes, late.error), (early.bytes, early.error));
            }
        });
        snapshot.job.cancel();
        if snapshot.job.has_ended() {
            snapshot.check_end();
        }
        other.join().unwrap();
    });
}
