// SPDX-License-Identifier: MIT
//! The time that a test may take as a whole: when it is over, the machines that the test uses are killed, so
//! that whatever waits for one of them ends with an error.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that can be killed even when its number is another's by now.
pub struct Handle(OwnedFd);

impl Handle {
    /// Of a child.
    pub fn of(child: &Child) -> Result<Self> {
        let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        Ok(Self(descriptor.context("no descriptor of a process")?))
    }

    /// Ends it at once. Nothing happens where it has ended already.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// The machines that a test uses, and whether its time is over.
#[derive(Default)]
struct Used {
    machines: Mutex<Vec<Arc<Handle>>>,
    expired: AtomicBool,
}

impl Used {
    fn add(&self, machine: &Arc<Handle>) {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.push(Arc::clone(machine));
        if self.expired.load(Ordering::SeqCst) {
            machine.kill();
        }
    }

    fn expire(&self) {
        let machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        self.expired.store(true, Ordering::SeqCst);
        machines.iter().for_each(|machine| machine.kill());
    }
}

thread_local! {
    /// Of the test that this thread runs.
    static USED: RefCell<Option<Arc<Used>>> = const { RefCell::new(None) };
}

/// A machine is used by the test of this thread, if there is one.
pub fn uses(machine: &Arc<Handle>) {
    USED.with_borrow(|used| {
        if let Some(used) = used {
            used.add(machine);
        }
    });
}

/// A limit that runs until it is dropped, for the machines that this thread uses meanwhile.
pub struct Deadline {
    used: Arc<Used>,
    _ended: Sender<()>,
}

impl Deadline {
    /// Starts it.
    pub fn start(limit: Duration) -> Self {
        let used = Arc::new(Used::default());
        USED.set(Some(Arc::clone(&used)));
        let (ended, wait) = channel::<()>();
        let late = Arc::clone(&used);
        thread::spawn(move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                late.expire();
            }
        });
        Self {
            used,
            _ended: ended,
        }
    }

    /// Whether it is over.
    pub fn expired(&self) -> bool {
        self.used.expired.load(Ordering::SeqCst)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        USED.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sleeper() -> (Child, Arc<Handle>) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let handle = Arc::new(Handle::of(&child).unwrap());
        (child, handle)
    }

    #[test]
    fn what_a_test_uses_is_killed_when_its_time_is_over() {
        let (mut child, handle) = sleeper();
        let deadline = Deadline::start(Duration::from_millis(20));
        uses(&handle);
        assert!(!child.wait().unwrap().success());
        assert!(deadline.expired());
    }

    #[test]
    fn a_machine_that_is_started_too_late_is_killed_at_once() {
        let (mut first, handle) = sleeper();
        let deadline = Deadline::start(Duration::ZERO);
        uses(&handle);
        first.wait().unwrap();
        assert!(deadline.expired());
        let (mut second, handle) = sleeper();
        uses(&handle);
        assert!(!second.wait().unwrap().success());
    }

    #[test]
    fn a_test_that_ends_in_time_leaves_its_machine_running() {
        let (mut child, handle) = sleeper();
        let deadline = Deadline::start(Duration::from_secs(60));
        uses(&handle);
        assert!(!deadline.expired());
        drop(deadline);
        assert!(child.try_wait().unwrap().is_none());
        handle.kill();
        assert!(!child.wait().unwrap().success());
    }
}
