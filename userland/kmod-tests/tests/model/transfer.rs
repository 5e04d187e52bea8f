// SPDX-License-Identifier: MIT
//! A transfer: requests that end in any order, short or in error; a submission that fails; a signal.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::check;
use crate::inflight::{Flight, Outcome, Requests};
use crate::landing::{leave, wait};
use crate::sync::{Completion, HandOver};

/// Bytes of a request.
const CHUNK: u64 = 4;
/// Requests of a transfer that goes well.
const REQUESTS: usize = 3;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Full,
    Short,
    Error,
    /// In full, before the submission returns.
    AtOnce,
}

const ENDS: [End; 4] = [End::Full, End::Short, End::Error, End::AtOnce];

#[derive(Debug, PartialEq)]
enum Failure {
    Signal,
    Submission,
    Io,
}

/// What happens in a transfer, but for the order.
#[derive(Clone, Copy, Debug)]
struct Script {
    depth: usize,
    /// Of the first requests; all others end at once.
    ends: [End; REQUESTS],
    /// The submission that fails.
    refused: Option<usize>,
    signal: bool,
}

struct Slot {
    result: HandOver<isize>,
    done: Completion,
    /// The kiocb, the bvec and the bounce buffer: one owner at a time.
    memory: UnsafeCell<u64>,
}

impl Slot {
    fn use_memory(&self) {
        // SAFETY: None is needed: the model checker has refused a race before.
        self.memory.with_mut(|memory| unsafe { *memory += 1 });
    }

    /// What an interrupt does.
    fn finish(&self, value: isize) {
        self.use_memory();
        // SAFETY: Called once for a request, by its thread.
        unsafe { leave(&self.result, &self.done, value) }.complete();
    }
}

struct Device {
    script: Script,
    slots: Vec<Arc<Slot>>,
    in_flight: Vec<Option<Flight>>,
    /// What was submitted, in this order, and how it ends.
    submitted: Vec<(Flight, isize)>,
    signal: Arc<AtomicBool>,
}

impl Device {
    fn new(script: Script) -> Self {
        let slot = || {
            Arc::new(Slot {
                result: HandOver::new(0),
                done: Completion::default(),
                memory: UnsafeCell::new(0),
            })
        };
        Self {
            script,
            slots: (0..script.depth).map(|_| slot()).collect(),
            in_flight: vec![None; script.depth],
            submitted: Vec::new(),
            signal: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Sends the signal at any time from now on.
    fn send_signal(&self) {
        let (signal, slots) = (self.signal.clone(), self.slots.clone());
        thread::spawn(move || {
            signal.store(true, Ordering::Relaxed);
            for slot in slots {
                slot.done.interrupt();
            }
        });
    }

    /// Length of the prefix that the requests from `first` on leave behind `moved`.
    fn prefix(&self, first: usize, mut moved: u64) -> u64 {
        for (flight, value) in &self.submitted[first..] {
            assert!(flight.offset >= moved, "bytes were submitted twice");
            if flight.offset != moved || *value < 0 {
                break;
            }
            moved += *value as u64;
        }
        moved
    }
}

impl Requests for Device {
    type Error = Failure;

    fn submit(&mut self, index: usize, offset: u64, end: u64) -> Result<u64, Failure> {
        if self.signal.load(Ordering::Relaxed) {
            return Err(Failure::Signal);
        }
        let count = self.submitted.len();
        if self.script.refused == Some(count) {
            return Err(Failure::Submission);
        }
        assert!(self.in_flight[index].is_none(), "a slot that is in flight");
        let slot = self.slots[index].clone();
        slot.use_memory();
        let length = CHUNK.min(end - offset);
        let how = *self.script.ends.get(count).unwrap_or(&End::AtOnce);
        let value = match how {
            End::Full | End::AtOnce => length as isize,
            End::Short => length as isize - 1,
            End::Error => -5,
        };
        let flight = Flight {
            offset,
            length: length as u32,
            copied: false,
        };
        self.in_flight[index] = Some(flight);
        self.submitted.push((flight, value));
        match how {
            End::AtOnce => slot.finish(value),
            _ => drop(thread::spawn(move || slot.finish(value))),
        }
        Ok(offset + length)
    }

    fn wait(
        &mut self,
        index: usize,
        interruptible: bool,
    ) -> Result<(Flight, Result<usize, Failure>), Failure> {
        let flight = self.in_flight[index].expect("waited for what is not in flight");
        let slot = &self.slots[index];
        // SAFETY: It is in flight, and this is the one thread that waits.
        let value = unsafe { wait(&slot.result, &slot.done, interruptible) };
        let value = value.ok_or(Failure::Signal)?;
        self.in_flight[index] = None;
        slot.use_memory();
        Ok((flight, usize::try_from(value).map_err(|_| Failure::Io)))
    }
}

/// As the module's `Transfer::run` does.
fn transfer(script: Script) {
    let mut device = Device::new(script);
    let end = REQUESTS as u64 * CHUNK;
    let mut outcome = Outcome {
        moved: 0,
        copied: 0,
        error: None,
    };
    if script.signal {
        device.send_signal();
    }
    while outcome.moved < end && outcome.error.is_none() {
        let (first, from) = (device.submitted.len(), outcome.moved);
        outcome.pipeline(&mut device, script.depth, end);
        assert!(device.in_flight.iter().all(Option::is_none), "in flight");
        assert_eq!(outcome.moved, device.prefix(first, from));
        // The slots may go away now.
        device.slots.iter().for_each(|slot| slot.use_memory());
    }
    match outcome.error {
        None => assert_eq!(outcome.moved, end),
        Some(Failure::Signal) => assert!(script.signal && outcome.moved < end),
        Some(Failure::Submission) => assert!(script.refused.is_some() && outcome.moved < end),
        Some(Failure::Io) => assert!(script.ends.contains(&End::Error) && outcome.moved < end),
    }
}

/// All ways in which the first `count` requests may end; the others end at once.
fn ends(count: usize) -> Vec<[End; REQUESTS]> {
    (0..count).fold(vec![[End::AtOnce; REQUESTS]], |all, index| {
        let with = |ends: &[End; REQUESTS], end| {
            let mut ends = *ends;
            ends[index] = end;
            ends
        };
        let each = |ends| ENDS.map(|end| with(ends, end));
        all.iter().flat_map(each).collect()
    })
}

fn transfers(depth: usize, count: usize, signal: bool, preemptions: usize) {
    for refused in [None, Some(0), Some(1), Some(2)] {
        for ends in ends(count) {
            let script = Script {
                depth,
                ends,
                refused,
                signal,
            };
            println!("{script:?}");
            check(preemptions, move || transfer(script));
        }
    }
}

#[test]
fn requests_one_at_a_time_leave_their_prefix() {
    transfers(1, REQUESTS, false, 3);
}

#[test]
fn requests_that_end_in_any_order_leave_their_prefix() {
    transfers(2, REQUESTS, false, 2);
    transfers(3, REQUESTS, false, 2);
}

#[test]
fn a_signal_at_any_time_leaves_a_prefix_and_nothing_in_flight() {
    transfers(1, 2, true, 3);
    transfers(2, 2, true, 2);
}
