// SPDX-License-Identifier: GPL-2.0

//! Commands of io_urings that complete when a ring's device has reached a position, or at a trigger.
//!
//! Lock order: that of the module above; a command is completed without a lock of ours.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Followed,
    Progress,
    Source, //
};
use crate::{
    abi,
    abstractions::{
        uring::{
            Command,
            Held, //
        },
        worker, //
    }, //
};

impl Progress {
    /// Does what [`abi::IOC_REACH`] says: `EIOCBQUEUED` when the command completes later.
    pub(crate) fn reach(self: &Arc<Self>, command: &Command<'_>) -> Result {
        let asked: abi::RingReach = command.argument();
        if asked.triggers != 0 && !self.interrupts.trigger {
            return Err(EINVAL);
        }
        // The ring's lock may be held, and looking may take long.
        let sleeps = match &self.source {
            Source::Spot(spot) => spot.read_sleeps(&self.region),
            Source::Program => false,
        };
        {
            let mut followed = self.followed.lock();
            if !followed.bound {
                return Err(ENODEV);
            }
            if !sleeps {
                match self.look(&mut followed) {
                    Ok((_, sample)) if followed.has_come(&asked, sample.bytes) => return Ok(()),
                    Ok(_) | Err(ENODATA) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        // Takes the ring's lock, if that is not held: without ours.
        let held = command.hold()?;
        if let Some((held, result)) = self.keep(asked, held, sleeps) {
            held.end(result, command);
        }
        Err(EIOCBQUEUED)
    }

    /// Keeps a command until what was asked for. What need not, or cannot, be kept is returned, with its result.
    fn keep(
        self: &Arc<Self>,
        asked: abi::RingReach,
        held: Held,
        sleeps: bool,
    ) -> Option<(Held, Result)> {
        let mut followed = self.followed.lock();
        if !followed.bound {
            return Some((held, Err(ENODEV)));
        }
        // What came since the look before has told those who were kept then.
        if sleeps {
            worker::start(self.clone());
        } else if let Ok((_, sample)) = self.look(&mut followed) {
            if followed.has_come(&asked, sample.bytes) {
                return Some((held, Ok(())));
            }
        }
        let refused = followed.watches.keep(asked, held);
        self.set_timer(&mut followed);
        refused.map(|held| (held, Err(EBUSY)))
    }

    /// Cancels a command that is held, if it still is.
    pub(crate) fn cancel(&self, command: &Command<'_>) {
        let held = self.followed.lock().watches.cancelled(command);
        if let Some(held) = held {
            held.end(Err(ECANCELED), command);
        }
    }

    /// Completes the commands that wait for no more than `position`, or a trigger that came, each without the lock.
    pub(super) fn complete(&self, position: u64, result: Result) {
        loop {
            let due = {
                let mut followed = self.followed.lock();
                let placed = followed.placed;
                followed
                    .watches
                    .due(|asked| asked.position <= position || placed.is_news(asked.triggers))
            };
            match due {
                Some(held) => held.done(result),
                None => return,
            }
        }
    }
}

impl Followed {
    /// Whether what was asked for has come when the device is at `position`.
    fn has_come(&self, asked: &abi::RingReach, position: u64) -> bool {
        position >= asked.position || self.placed.is_news(asked.triggers)
    }
}
