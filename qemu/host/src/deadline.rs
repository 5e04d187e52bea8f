// SPDX-License-Identifier: MIT
//! Time limits: work that may take so long and no longer, and what is killed when its time is over, so that
//! a wait for it ends with an error.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::settings;

/// What work has to return after everything that it waits for was killed.
const GRACE: Duration = Duration::from_secs(30);

/// A limit of so many seconds on a usual machine; `RESDUMP_TIMEOUT_SCALE` stretches all of them.
pub fn seconds(limit: u64) -> Duration {
    Duration::from_secs(limit).mul_f64(settings::get().timeout_scale)
}

/// A process that can be killed even when its number is another's by now.
pub struct Handle {
    process: OwnedFd,
    /// The group that it leads, which ends with it.
    group: Option<Pid>,
}

impl Handle {
    /// Of a child.
    pub fn of(child: &Child) -> Result<Self> {
        let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        Ok(Self {
            process: descriptor.context("no descriptor of a process")?,
            group: None,
        })
    }

    /// Of a child that leads a process group, with all processes of that.
    pub fn of_group(child: &Child) -> Result<Self> {
        Ok(Self {
            group: Some(Pid::from_child(child)),
            ..Self::of(child)?
        })
    }

    /// Waits until it has ended, up to `limit`; whether it has.
    pub fn ended_within(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).ok();
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        retry_on_intr(|| poll(&mut ended, limit.as_ref())).is_ok_and(|count| count > 0)
    }

    /// Ends it at once. Nothing happens where it has ended already.
    pub fn kill(&self) {
        let there = pidfd_send_signal(&self.process, Signal::KILL).is_ok();
        // A leader that is there, dead or alive, keeps the group's number from being another's.
        if let Some(group) = self.group.filter(|_| there) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The processes that some work uses, and whether its time is over.
#[derive(Default)]
struct Used {
    processes: Mutex<Vec<Arc<Handle>>>,
    expired: AtomicBool,
}

impl Used {
    fn add(&self, process: &Arc<Handle>) {
        let mut processes = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        processes.push(Arc::clone(process));
        if self.expired.load(Ordering::SeqCst) {
            process.kill();
        }
    }

    fn expire(&self) {
        let processes = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.expired.store(true, Ordering::SeqCst);
        processes.iter().for_each(|process| process.kill());
    }
}

thread_local! {
    /// Of the work that this thread does.
    static USED: RefCell<Option<Arc<Used>>> = const { RefCell::new(None) };
}

/// A process is used by the work of this thread, if it has a limit.
pub fn uses(process: &Arc<Handle>) {
    USED.with_borrow(|used| {
        if let Some(used) = used {
            used.add(process);
        }
    });
}

/// Makes the limit of this thread's work that of another thread, which helps it: what this returns is called there.
pub fn inherit() -> impl FnOnce() + Send + 'static {
    let used = USED.with_borrow(Clone::clone);
    move || USED.set(used)
}

/// Does some work on a thread of its own. After `limit` the processes that it [`uses`] are killed, and what it
/// returns then is an error. Work that does not return even so is left behind, and an error too.
///
/// # Panics
///
/// Where the work does.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    within_and(limit, GRACE, work)
}

fn within_and<T: Send + 'static>(
    limit: Duration,
    grace: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let used = Arc::new(Used::default());
    let (result, arrives) = channel();
    let theirs = Arc::clone(&used);
    let worker = thread::spawn(move || {
        USED.set(Some(theirs));
        // An error here is that of a caller that waits no longer.
        let _ = result.send(work());
    });
    match arrives.recv_timeout(limit) {
        Ok(result) => return result,
        Err(RecvTimeoutError::Disconnected) => panicked(worker),
        Err(RecvTimeoutError::Timeout) => used.expire(),
    }
    match arrives.recv_timeout(grace) {
        Ok(Ok(_)) => bail!("not done within {limit:?}"),
        Ok(Err(error)) => bail!("not done within {limit:?}: what it used was killed\n{error:#}"),
        Err(RecvTimeoutError::Disconnected) => panicked(worker),
        Err(RecvTimeoutError::Timeout) => bail!(
            "not done within {limit:?}, and not even {grace:?} after what it used was killed: it waits on the host, \
             and is left behind"
        ),
    }
}

/// The worker's panic becomes the caller's.
fn panicked(worker: thread::JoinHandle<()>) -> ! {
    match worker.join() {
        Err(panic) => std::panic::resume_unwind(panic),
        Ok(()) => unreachable!("it would have sent its result"),
    }
}

/// A limit of one process, which is killed when it is over; until it is dropped.
pub struct Limit {
    expired: Arc<AtomicBool>,
    _ended: Sender<()>,
}

impl Limit {
    /// Starts it.
    pub fn start(limit: Duration, process: &Arc<Handle>) -> Self {
        let expired = Arc::new(AtomicBool::new(false));
        let (ended, wait) = channel::<()>();
        let (late, process) = (Arc::clone(&expired), Arc::clone(process));
        thread::spawn(move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::SeqCst);
                process.kill();
            }
        });
        Self {
            expired,
            _ended: ended,
        }
    }

    /// Whether it is over.
    pub fn expired(&self) -> bool {
        self.expired.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(60);

    fn sleeper() -> (Child, Arc<Handle>) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let handle = Arc::new(Handle::of(&child).unwrap());
        (child, handle)
    }

    #[test]
    fn what_work_uses_is_killed_when_its_time_is_over() {
        let started = Instant::now();
        let result = within(SOON, || {
            let (mut child, handle) = sleeper();
            uses(&handle);
            let status = child.wait()?;
            bail!("the machine ended: {status}")
        });
        let error: String = format!("{:#}", Result::<()>::unwrap_err(result));
        assert!(error.starts_with("not done within 20ms"), "{error}");
        assert!(error.contains("the machine ended: signal: 9"), "{error}");
        assert!(started.elapsed() < LATE / 2);
    }

    #[test]
    fn a_process_that_is_started_too_late_is_killed_at_once() {
        let result = within(SOON, || {
            let (mut first, handle) = sleeper();
            uses(&handle);
            first.wait()?;
            let (mut second, handle) = sleeper();
            uses(&handle);
            Ok(second.wait()?)
        });
        assert!(result.unwrap_err().to_string().contains("not done within"));
    }

    #[test]
    fn work_that_waits_for_nothing_that_can_be_killed_is_left_behind() {
        let (_never, waits) = channel::<()>();
        let result = within_and(SOON, SOON, move || Ok(waits.recv()?));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("left behind"), "{error}");
    }

    #[test]
    fn work_that_ends_in_time_leaves_its_processes_running() {
        let (mut child, handle) = sleeper();
        let used = Arc::clone(&handle);
        within(LATE, move || {
            uses(&used);
            Ok(())
        })
        .unwrap();
        assert!(child.try_wait().unwrap().is_none());
        assert!(!handle.ended_within(SOON));
        handle.kill();
        assert!(handle.ended_within(LATE));
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    #[should_panic(expected = "of the work")]
    fn a_panic_of_the_work_is_the_callers() {
        let _ = within(LATE, || -> Result<()> { panic!("of the work") });
    }

    #[test]
    fn a_command_has_a_limit() {
        let (mut child, handle) = sleeper();
        let limit = Limit::start(SOON, &handle);
        assert!(!child.wait().unwrap().success());
        assert!(limit.expired());
    }
}
