// SPDX-License-Identifier: MIT

//! SIGINT and SIGTERM end a transfer at the next point where its state is known.

#![forbid(unsafe_code)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::SigSet;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
};

/// Whether somebody asked for the end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Installs the handlers. The first signal is a request; the second ends the program at once.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag not set.
            flag::register_conditional_shutdown(
                signal,
                ExitCode::Interrupted as i32,
                Arc::clone(&stop.0),
            )
            .and_then(|_| flag::register(signal, Arc::clone(&stop.0)))
            .map_err(|error| Error::io("cannot handle", "SIGINT and SIGTERM", &error))?;
        }
        Ok(stop)
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `work` with all signals blocked; threads that it starts keep that.
pub fn blocked<T>(work: impl FnOnce() -> T) -> T {
    let before = SigSet::thread_get_mask();
    let _ = SigSet::all().thread_block();
    let result = work();
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    result
}
