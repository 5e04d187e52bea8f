// SPDX-License-Identifier: GPL-2.0

//! An open file that follows a ring's device, and what it watches for.
//!
//! Lock order: that of the module above.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::Progress;
use crate::{
    abi,
    abstractions::eventfd::EventFd,
    watchers::Watchers,
    watches::Watch, //
};

/// An open file that follows a ring's device.
pub(crate) struct Follower {
    progress: Arc<Progress>,
    file: u64,
}

impl Follower {
    /// Sleeps.
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        let file = {
            let mut followed = progress.followed.lock();
            followed.files += 1;
            followed.files
        };
        Self { progress, file }
    }

    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Does what [`abi::IOC_WATCH`] says.
    pub(crate) fn watch(&self, asked: &abi::RingWatch, watchers: Arc<Watchers>) -> Result {
        self.progress.watch(self.file, asked, watchers)
    }

    /// Whether what the file watches for was reached. Sleeps.
    pub(crate) fn watched(&self) -> Watched {
        self.progress.watched(self.file)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Dropped without the lock.
        let _last = self.progress.followed.lock().watches.forget(self.file);
    }
}

/// An answer to who polls.
pub(crate) enum Watched {
    Nothing,
    Reached,
    Unbound,
}

impl Progress {
    fn watch(
        self: &Arc<Self>,
        file: u64,
        asked: &abi::RingWatch,
        watchers: Arc<Watchers>,
    ) -> Result {
        let event = match asked.eventfd {
            -1 => None,
            fd => Some(EventFd::new(fd)?),
        };
        let new = Watch {
            file,
            position: asked.position,
            event,
            watchers,
            reached: false,
        };
        // The one before is dropped without the lock.
        let _last = {
            let mut followed = self.followed.lock();
            if !followed.bound {
                return Err(ENODEV);
            }
            followed.watches.set(new)?
        };
        // What came before is seen now, and what comes later finds it.
        self.check();
        Ok(())
    }

    /// Whether what `file` watches for was reached.
    fn watched(&self, file: u64) -> Watched {
        let mut followed = self.followed.lock();
        if !followed.bound {
            return Watched::Unbound;
        }
        if followed.watches.reached(file).is_none() {
            return Watched::Nothing;
        }
        if let Ok((_, sample)) = self.look(&mut followed) {
            followed.watches.tell(sample.bytes);
        }
        match followed.watches.reached(file) {
            Some(true) => Watched::Reached,
            Some(false) | None => Watched::Nothing,
        }
    }
}
