// SPDX-License-Identifier: GPL-2.0

//! Interrupts by which a device says that what it writes now is wanted.
//!
//! The interrupt's handler counts them; who looks at the device's position places them there. The count is taken before
//! the position is read, so that a trigger is never placed before where the device was when it came.
//!
//! `sync` is the kernel's in the module, and the model checker's in a test on the host.

use crate::sync::{
    Acquire,
    Atomic,
    Release, //
};

/// How many came.
pub(crate) struct Triggers(Atomic<usize>);

/// A count that was taken before the position was read.
#[derive(Clone, Copy)]
pub(crate) struct Counted(usize);

/// The last one that was placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// How many came by then.
    pub(crate) count: usize,
    /// Where the device was seen first afterwards.
    pub(crate) position: u64,
}

impl Triggers {
    pub(crate) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One came. Of the interrupt's handler, which does not run twice at a time.
    pub(crate) fn came(&self) {
        // A handler before this one may have run elsewhere.
        let count = self.0.load(Acquire);
        self.0.store(count.wrapping_add(1), Release);
    }

    /// How many came until now. To be called before the position is read.
    pub(crate) fn count(&self) -> Counted {
        Counted(self.0.load(Acquire))
    }
}

impl Placed {
    /// The device is at `position`, read after the count was taken.
    pub(crate) fn place(&mut self, Counted(count): Counted, position: u64) {
        if count != self.count {
            *self = Self { count, position };
        }
    }

    /// Whether one came since an answer that had `count`, where `known` is 1 more than that; 0 asks for none.
    pub(crate) fn is_news(&self, known: u64) -> bool {
        known != 0 && (self.count as u64).wrapping_add(1) != known
    }
}
