// SPDX-License-Identifier: GPL-2.0

//! Who waits for the device of a ring to get somewhere: open files that watch, and commands of io_urings.
//!
//! No lock is taken here but the eventfd's own, last.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    abi,
    abstractions::{
        eventfd::EventFd,
        uring::{
            Command,
            Held, //
        }, //
    },
    watchers::Watchers, //
};

/// What an open file watches for.
pub(crate) struct Watch {
    /// Names the file.
    pub(crate) file: u64,
    pub(crate) position: u64,
    pub(crate) event: Option<EventFd>,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) reached: bool,
}

/// A command of an io_uring that completes at a position, or at a trigger.
struct Waiting {
    asked: abi::RingReach,
    command: Held,
}

/// All of a ring.
#[derive(Default)]
pub(crate) struct Watches {
    files: KVec<Watch>,
    waiting: KVec<Waiting>,
}

impl Watches {
    /// Replaces what the file watched for before, which is returned to be dropped without a lock.
    pub(crate) fn set(&mut self, new: Watch) -> Result<Option<Watch>> {
        match self.files.iter_mut().find(|watch| watch.file == new.file) {
            Some(watch) => Ok(Some(core::mem::replace(watch, new))),
            None => {
                self.files.push(new, GFP_KERNEL)?;
                Ok(None)
            }
        }
    }

    /// What `file` watched for, which is to be dropped without a lock.
    pub(crate) fn forget(&mut self, file: u64) -> Option<Watch> {
        let at = self.files.iter().position(|watch| watch.file == file)?;
        self.files.remove(at).ok()
    }

    /// Whether what `file` watches for was reached; `None` when it watches for nothing.
    pub(crate) fn reached(&self, file: u64) -> Option<bool> {
        let watch = self.files.iter().find(|watch| watch.file == file);
        watch.map(|watch| watch.reached)
    }

    /// The device is at `position`: tells files that watch for it.
    pub(crate) fn tell(&mut self, position: u64) {
        for watch in &mut self.files {
            if !watch.reached && watch.position <= position {
                watch.reached = true;
                if let Some(event) = &watch.event {
                    event.signal();
                }
                watch.watchers.queue.notify_all();
            }
        }
    }

    /// Wakes up all files.
    pub(crate) fn wake(&self) {
        for watch in &self.files {
            watch.watchers.queue.notify_all();
        }
    }

    /// Keeps a command until what was asked for; returns it where there is no room.
    pub(crate) fn keep(&mut self, asked: abi::RingReach, command: Held) -> Option<Held> {
        let has_room = self.waiting.len() < abi::REACH_MAX as usize
            && self.waiting.reserve(1, GFP_KERNEL).is_ok();
        if !has_room {
            return Some(command);
        }
        let waiting = Waiting { asked, command };
        let refused = self.waiting.push_within_capacity(waiting).err();
        refused.map(|error| error.0.command)
    }

    /// The command that `by` cancels, if it is still held.
    pub(crate) fn cancelled(&mut self, by: &Command<'_>) -> Option<Held> {
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|waiting| by.is(&waiting.command))?;
        self.waiting.remove(at).ok().map(|waiting| waiting.command)
    }

    /// A command that waits for what has come, if there is one.
    pub(crate) fn due(&mut self, has_come: impl Fn(&abi::RingReach) -> bool) -> Option<Held> {
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|waiting| has_come(&waiting.asked))?;
        self.waiting.remove(at).ok().map(|waiting| waiting.command)
    }

    /// Whether a position was not reached yet. The last one stands for none.
    pub(crate) fn is_waiting(&self) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|waiting| waiting.asked.position != u64::MAX)
            || self.files.iter().any(|watch| !watch.reached)
    }

    /// Whether no file and no command follows the device.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.files.is_empty()
    }
}
