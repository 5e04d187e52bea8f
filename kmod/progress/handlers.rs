// SPDX-License-Identifier: GPL-2.0

//! What the interrupts of a ring's device do, in interrupt context: they only have a worker look.

use kernel::sync::Arc;

use super::Progress;
use crate::abstractions::{
    irq::Handler,
    sync::Acquire,
    worker, //
};

/// The interrupt "trigger".
pub(crate) struct Pull(pub(crate) Arc<Progress>);

impl Handler for Pull {
    fn handle(&self) {
        if self.0.bound.load(Acquire) {
            self.0.triggers.came();
            worker::start(self.0.clone());
        }
    }
}

/// The interrupt "progress".
pub(crate) struct Wake(pub(crate) Arc<Progress>);

impl Handler for Wake {
    fn handle(&self) {
        if self.0.bound.load(Acquire) {
            worker::start(self.0.clone());
        }
    }
}
