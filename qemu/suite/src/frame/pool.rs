// SPDX-License-Identifier: MIT
//! Machines that tests share: started when the first test wants one, used by one test at a time, ended after the
//! last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use host::deadline::within;

/// A machine that tests share.
pub trait Machine: Sized + Send + 'static {
    /// Which one.
    type Key: Copy + Ord + Send + 'static;

    /// Starts it.
    fn start(key: Self::Key) -> Result<Self>;

    /// A test begins to use it, on the thread that does the test's work.
    fn used_by_this_test(&self);

    /// Ends it, which must be a clean end.
    fn end(self) -> Result<()>;
}

/// Seconds of a start and of an end.
pub struct Limits {
    pub start: Duration,
    pub end: Duration,
}

/// A machine, or none yet.
struct Slot<M> {
    machine: Option<M>,
    /// Tests that have not used it yet.
    left: usize,
    /// Why it cannot be started.
    broken: Option<String>,
}

/// All machines.
pub struct Pool<M: Machine> {
    slots: BTreeMap<M::Key, Mutex<Slot<M>>>,
    limits: Limits,
}

impl<M: Machine> Pool<M> {
    /// With the number of tests that will use each.
    pub fn new(users: BTreeMap<M::Key, usize>, limits: Limits) -> Self {
        let slot = |left| {
            Mutex::new(Slot {
                machine: None,
                left,
                broken: None,
            })
        };
        Self {
            slots: users
                .into_iter()
                .map(|(key, left)| (key, slot(left)))
                .collect(),
            limits,
        }
    }

    /// Runs a test in a machine, starting that if need be. The limit is the test's alone. A machine in which a test
    /// failed, or that was killed, is not used again.
    pub fn with(
        &self,
        key: M::Key,
        limit: Duration,
        test: impl FnOnce(&mut M) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let slot = self.slots.get(&key).context("no such machine")?;
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.left = slot.left.saturating_sub(1);
        if let Some(why) = &slot.broken {
            bail!("its machine could not be started for an earlier test: {why}");
        }
        let machine = match slot.machine.take() {
            Some(machine) => machine,
            None => match within(self.limits.start, move || M::start(key)) {
                Ok(machine) => machine,
                Err(error) => {
                    let text = format!("{error:#}");
                    slot.broken = text.lines().next().map(str::to_owned);
                    return Err(error.context("starting its machine"));
                }
            },
        };
        let machine = within(limit, move || {
            let mut machine = machine;
            machine.used_by_this_test();
            test(&mut machine).map(|()| machine)
        })?;
        match slot.left {
            0 => within(self.limits.end, move || {
                machine.used_by_this_test();
                machine.end()
            })
            .context("ending the machine after its last test"),
            _ => {
                slot.machine = Some(machine);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::Arc;

    use host::deadline::{self, Handle};

    use super::*;

    /// A machine of a test: a process that does nothing.
    struct Sleeper {
        child: Child,
        handle: Arc<Handle>,
    }

    impl Machine for Sleeper {
        type Key = u32;

        fn start(key: u32) -> Result<Self> {
            anyhow::ensure!(key != 13, "number 13 does not start");
            let child = Command::new("sleep").arg("60").spawn()?;
            let handle = Arc::new(Handle::of(&child)?);
            Ok(Self { child, handle })
        }

        fn used_by_this_test(&self) {
            deadline::uses(&self.handle);
        }

        fn end(mut self) -> Result<()> {
            self.child.kill()?;
            self.child.wait()?;
            Ok(())
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn pool(users: usize) -> Pool<Sleeper> {
        let limits = Limits {
            start: LONG,
            end: LONG,
        };
        Pool::new([(1, users), (13, users)].into(), limits)
    }

    /// The number of the process that a test used.
    fn process(pool: &Pool<Sleeper>) -> u32 {
        let (done, waited) = std::sync::mpsc::channel();
        pool.with(1, LONG, move |machine| Ok(done.send(machine.child.id())?))
            .unwrap();
        waited.recv().unwrap()
    }

    fn runs(process: u32) -> bool {
        std::path::Path::new(&format!("/proc/{process}")).exists()
    }

    #[test]
    fn a_machine_serves_several_tests_and_is_gone_after_the_last() {
        let pool = pool(2);
        let first = process(&pool);
        assert!(runs(first));
        assert_eq!(process(&pool), first);
        assert!(!runs(first));
    }

    #[test]
    fn a_machine_whose_last_test_failed_is_gone() {
        let pool = pool(2);
        let first = process(&pool);
        pool.with(1, LONG, |_| bail!("wrong")).unwrap_err();
        assert!(!runs(first));
    }

    #[test]
    fn a_test_that_hangs_is_ended_and_the_next_has_a_new_machine() {
        let pool = pool(3);
        let first = process(&pool);
        let soon = Duration::from_millis(20);
        let hangs = pool.with(1, soon, |machine| {
            let status = machine.child.wait()?;
            bail!("the guest ended: {status}")
        });
        let error = format!("{:#}", hangs.unwrap_err());
        assert!(error.contains("not done within 20ms"), "{error}");
        assert!(!runs(first));
        assert_ne!(process(&pool), first);
    }

    #[test]
    fn a_machine_that_does_not_start_is_tried_once() {
        let pool = pool(2);
        let start = || format!("{:#}", pool.with(13, LONG, |_| Ok(())).unwrap_err());
        assert_eq!(start(), "starting its machine: number 13 does not start");
        assert!(start().ends_with("for an earlier test: number 13 does not start"));
    }
}
