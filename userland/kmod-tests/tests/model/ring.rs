// SPDX-License-Identifier: MIT
//! A ring's device, its interrupts, and those that look where it is: a process that asks, and the module's worker.
//!
//! `kmod/trigger.rs` and `kmod/position.rs` are the module's. The lock, the order in which a look reads, and what a
//! process that waits does are as in `kmod/progress.rs`, which has more of the kernel than a model can have.

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::check;
use crate::position::{Evidence, Kind, Position, Reading, Sample, Shape};
use crate::trigger::{Placed, Triggers};

/// Bytes of a ring, and of a step of the device.
const RING: u64 = 64;
const STEP: u64 = 16;

struct Ring {
    /// What the device says.
    raw: AtomicU64,
    triggers: Triggers,
    followed: Mutex<Followed>,
    /// A process that waits was notified.
    notified: AtomicBool,
}

struct Followed {
    position: Position,
    placed: Placed,
    /// What a process waits for.
    waits_for: Option<u64>,
}

impl Ring {
    fn new() -> Arc<Self> {
        let shape = Shape {
            kind: Kind::Counter,
            ring: RING,
            unit: 1,
            bits: 64,
            lead: 0,
            lag: 0,
            max_rate: 0,
        };
        Arc::new(Self {
            raw: AtomicU64::new(0),
            triggers: Triggers::new(),
            followed: Mutex::new(Followed {
                position: Position::new(shape).expect("a ring"),
                placed: Placed::default(),
                waits_for: None,
            }),
            notified: AtomicBool::new(false),
        })
    }

    /// As `Progress::look`.
    fn look(&self, followed: &mut Followed) -> Sample {
        let triggers = self.triggers.count();
        fence(Ordering::SeqCst);
        let raw = self.raw.load(Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let reading = Reading {
            raw,
            before: 0,
            after: 0,
        };
        let sample = followed.position.follow(reading).expect("a place");
        followed.placed.place(triggers, sample.bytes);
        sample
    }

    /// As `Progress::check`, which the worker runs and a process that begins to wait.
    fn check(&self) -> Sample {
        let mut followed = self.followed.lock().unwrap();
        let sample = self.look(&mut followed);
        if followed
            .waits_for
            .is_some_and(|wanted| wanted <= sample.bytes)
        {
            self.notified.store(true, Ordering::Relaxed);
        }
        sample
    }

    /// The device gets on, and reports it by the interrupt whose handler starts `worker`.
    fn produce(&self, to: u64, worker: impl FnOnce()) {
        self.raw.store(to, Ordering::Release);
        worker();
    }
}

#[test]
fn no_look_sees_the_device_go_back() {
    check(2, || {
        let ring = Ring::new();
        let device = {
            let ring = ring.clone();
            thread::spawn(move || {
                for step in 1..4 {
                    ring.produce(step * STEP, || {});
                }
            })
        };
        let looks = |ring: &Ring| {
            let mut last = 0;
            for _ in 0..2 {
                let sample = ring.check();
                assert!(sample.bytes >= last && sample.breaks == 0);
                assert_eq!(sample.evidence, Evidence::Exact);
                last = sample.bytes;
            }
        };
        let other = {
            let ring = ring.clone();
            thread::spawn(move || looks(&ring))
        };
        looks(&ring);
        device.join().unwrap();
        other.join().unwrap();
        assert_eq!(ring.check().bytes, 3 * STEP);
    });
}

#[test]
fn what_is_waited_for_is_noticed_whatever_comes_first() {
    check(3, || {
        let ring = Ring::new();
        let device = {
            let ring = ring.clone();
            thread::spawn(move || {
                // The handler starts the worker; after that nothing looks again.
                ring.produce(STEP, || {
                    ring.check();
                });
            })
        };
        // As `Progress::watch`: kept first, then looked.
        ring.followed.lock().unwrap().waits_for = Some(STEP);
        ring.check();
        device.join().unwrap();
        assert!(ring.notified.load(Ordering::Relaxed));
    });
}

#[test]
fn a_trigger_is_counted_once_and_not_placed_before_the_device() {
    check(3, || {
        let ring = Ring::new();
        let device = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.produce(STEP, || {});
                ring.triggers.came();
                ring.produce(2 * STEP, || {});
                ring.triggers.came();
                ring.produce(3 * STEP, || {});
            })
        };
        let mut last = Placed::default();
        for _ in 0..2 {
            ring.check();
            let placed = ring.followed.lock().unwrap().placed;
            // At trigger n the device had done n steps.
            assert!(placed.count >= last.count);
            assert!(placed.position >= placed.count as u64 * STEP);
            assert!(placed.count != last.count || placed == last);
            assert_eq!(placed.is_news(last.count as u64 + 1), placed != last);
            assert!(!placed.is_news(0));
            last = placed;
        }
        device.join().unwrap();
        ring.check();
        let placed = ring.followed.lock().unwrap().placed;
        assert_eq!(placed.count, 2);
        assert!((2 * STEP..=3 * STEP).contains(&placed.position));
    });
}
