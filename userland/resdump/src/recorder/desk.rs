// SPDX-License-Identifier: MIT

//! Tasks for a thread, and its answers. The channels of the standard library do the same with 20 KB more of code.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

struct State<T, A> {
    tasks: VecDeque<T>,
    answers: VecDeque<A>,
    closed: bool,
}

/// See the module.
pub(super) struct Desk<T, A> {
    state: Mutex<State<T, A>>,
    changed: Condvar,
}

impl<T, A> Desk<T, A> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tasks: VecDeque::new(),
                answers: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed<'a>(&self, state: MutexGuard<'a, State<T, A>>) -> MutexGuard<'a, State<T, A>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the thread a task.
    pub(super) fn give(&self, task: T) {
        self.lock().tasks.push_back(task);
        self.changed.notify_all();
    }

    /// An answer, if there is one.
    pub(super) fn look(&self) -> Option<A> {
        self.lock().answers.pop_front()
    }

    /// Waits for an answer. There must be a task without one.
    pub(super) fn wait(&self) -> A {
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.answers.pop_front() {
                return answer;
            }
            state = self.changed(state);
        }
    }

    /// There are no more tasks.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The thread's: waits for a task; `None` when there are no more.
    pub(super) fn task(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state = self.changed(state);
        }
    }

    /// The thread's: answers a task.
    pub(super) fn answer(&self, answer: A) {
        self.lock().answers.push_back(answer);
        self.changed.notify_all();
    }
}
