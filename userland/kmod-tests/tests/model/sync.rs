// SPDX-License-Identifier: MIT
//! What `kmod/abstractions/sync.rs` has, made of the model checker's parts, which see every race.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};

pub(crate) use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// `struct completion`, and a signal to the task that waits for it.
#[derive(Default)]
pub(crate) struct Completion {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    done: u32,
    signal: bool,
}

impl Completion {
    pub(crate) fn complete(&self) {
        self.state.lock().unwrap().done += 1;
        self.changed.notify_one();
    }

    pub(crate) fn wait(&self, interruptible: bool) -> bool {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.done > 0 {
                state.done -= 1;
                return true;
            }
            if interruptible && state.signal {
                return false;
            }
            state = self.changed.wait(state).unwrap();
        }
    }

    /// A signal for a thread that waits, now or later.
    pub(crate) fn interrupt(&self) {
        self.state.lock().unwrap().signal = true;
        self.changed.notify_one();
    }
}

/// A value whose every access is checked for a race.
pub(crate) struct HandOver<T>(UnsafeCell<T>);

impl<T: Copy> HandOver<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// # Safety
    ///
    /// No other thread accesses the value at the same time.
    pub(crate) unsafe fn set(&self, value: T) {
        // SAFETY: By our own requirements, which the model checker checks first.
        self.0.with_mut(|to| unsafe { *to = value });
    }

    /// # Safety
    ///
    /// No thread sets the value at the same time.
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: By our own requirements, which the model checker checks first.
        self.0.with(|from| unsafe { *from })
    }
}

/// The kernel's `Atomic`, as far as it is used.
pub(crate) struct Atomic<T>(AtomicUsize, PhantomData<T>);

impl<T: Word> Atomic<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(AtomicUsize::new(value.pack()), PhantomData)
    }

    pub(crate) fn load(&self, order: Ordering) -> T {
        T::unpack(self.0.load(order))
    }

    pub(crate) fn store(&self, value: T, order: Ordering) {
        self.0.store(value.pack(), order);
    }
}

/// What fits an atomic word.
pub(crate) trait Word {
    fn pack(self) -> usize;
    fn unpack(word: usize) -> Self;
}

impl Word for usize {
    fn pack(self) -> usize {
        self
    }

    fn unpack(word: usize) -> Self {
        word
    }
}

impl Word for bool {
    fn pack(self) -> usize {
        self.into()
    }

    fn unpack(word: usize) -> Self {
        word != 0
    }
}

impl Word for i32 {
    fn pack(self) -> usize {
        self as usize
    }

    fn unpack(word: usize) -> Self {
        word as i32
    }
}
