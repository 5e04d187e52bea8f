// SPDX-License-Identifier: MIT

//! SIGINT, SIGTERM and SIGHUP end a transfer at the next point where its state is known; a second one
//! ends the program at once, and so does each other signal that ends a program and can be caught. What must
//! not be left behind is restored in each case. Not caught are SIGKILL and what a fault of the program
//! itself raises (SIGSEGV, SIGBUS, SIGILL, SIGFPE).
//!
//! A signal that the program was started with ignored, as `nohup` ignores SIGHUP, stays ignored.
//! SIGPIPE is ignored by Rust's runtime and SIGXFSZ here: both come back as an errno of the write, EPIPE
//! and EFBIG.

#![forbid(unsafe_code)]

use std::{
    fmt, panic,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{libc, sys::signal::SigSet};
use signal_hook::{
    consts::{
        SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
        SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
    },
    flag,
    iterator::Signals,
    low_level,
};

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    sys,
};

/// Those that ask for the end.
const REQUESTS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Those that end the program at once, as if nothing had been done about them.
const ENDS: [i32; 13] = [
    SIGQUIT,
    SIGABRT,
    SIGALRM,
    SIGIO,
    SIGPROF,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    SIGSYS,
    SIGTRAP,
    SIGUSR1,
    SIGUSR2,
    SIGVTALRM,
    SIGXCPU,
];

/// For what must come to its end before the program may: between two looks, and how often.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 1000;

/// What the thread that waits for signals needs.
const STACK: usize = 128 << 10;

/// Whether the end was asked for.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Installs the handlers. The first signal is a request; the second ends the program at once.
    pub fn on_signals() -> Result<Self> {
        let failed = |error| {
            Error::during(
                Doing::Else,
                "cannot handle",
                "SIGINT, SIGTERM and SIGHUP",
                &error,
            )
        };
        let stop = Self::default();
        let mut taken = Vec::new();
        for signal in REQUESTS {
            if sys::signal::is_ignored(signal).map_err(failed)? {
                log::debug!("signal {signal} was ignored before, and stays so");
                continue;
            }
            flag::register(signal, Arc::clone(&stop.0)).map_err(failed)?;
            taken.push(signal);
        }
        watch(taken).map_err(failed)?;
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

/// Whether a trigger came: SIGUSR1, which ends the program as long as none waits for it.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<AtomicBool>);

/// SIGUSR1 is a trigger.
static TRIGGERS: AtomicBool = AtomicBool::new(false);

impl Trigger {
    /// Installs the handler.
    pub fn on_signal() -> Result<Self> {
        let trigger = Self::default();
        flag::register(SIGUSR1, Arc::clone(&trigger.0))
            .map_err(|error| Error::during(Doing::Else, "cannot handle", "SIGUSR1", &error))?;
        TRIGGERS.store(true, Ordering::SeqCst);
        Ok(trigger)
    }

    /// As the signal does.
    pub fn pull(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether one came since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Lets the first of `signals` be, and ends the program with the second, or with one of [`ENDS`]. There is
/// one such thread.
fn watch(mut signals: Vec<i32>) -> std::io::Result<()> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    for signal in ENDS {
        if !sys::signal::is_ignored(signal)? {
            signals.push(signal);
        }
    }
    let mut coming = Signals::new(signals)?;
    let work = move || {
        let mut asked = false;
        for signal in coming.forever() {
            if signal == SIGUSR1 && TRIGGERS.load(Ordering::SeqCst) {
                continue;
            }
            let is_request = REQUESTS.contains(&signal);
            if is_request && (!asked || SETTLED.load(Ordering::SeqCst)) {
                asked = true;
                continue;
            }
            let _held = wait_for_holder();
            put_right();
            if !is_request {
                // It ends as if nothing had been done about it, with a core file where wanted.
                sys::signal::end_by(signal);
            }
            low_level::exit(ExitCode::Interrupted as i32);
        }
    };
    blocked(|| {
        thread::Builder::new()
            .name("signals".into())
            .stack_size(STACK)
            .spawn(work)
    })
    .map(drop)
}

/// Taken while a signal must not end the program.
static HOLD: Mutex<()> = Mutex::new(());

/// No signal that can be caught ends the program while the result lives, which must not be for long.
pub fn hold() -> MutexGuard<'static, ()> {
    HOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for_holder() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..LOOKS_MAX {
        if let Ok(held) = HOLD.try_lock() {
            return Some(held);
        }
        thread::sleep(LOOK);
    }
    None
}

/// Whether the result of the program is written down already.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Whether the result of the program is about to be written down: requests to end come too late then.
pub fn settled(is_last: bool) {
    SETTLED.store(is_last, Ordering::SeqCst);
}

/// Has signals that are errors of a write come back as such, and puts things right after a panic.
/// For the program as a whole, before it does anything.
pub fn tame() -> Result<()> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            put_right();
            before(panic);
        }));
    });
    // A handler that does nothing: a write beyond the limit fails then.
    flag::register(SIGXFSZ, Arc::default())
        .map(drop)
        .map_err(|error| Error::during(Doing::Else, "cannot handle", "SIGXFSZ", &error))
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

type Work = Box<dyn Fn() + Send>;

/// What is to be done when the program ends at once, the youngest last.
static LEFT: Mutex<Vec<(usize, Work)>> = Mutex::new(Vec::new());

/// Something that is restored when the program ends at once, as long as this lives.
pub struct AtOnce(usize);

impl fmt::Debug for AtOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AtOnce({})", self.0)
    }
}

/// Has `work` done when the program ends at once: by a second signal, or by a panic. It must not wait.
pub fn at_once(work: impl Fn() + Send + 'static) -> AtOnce {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    LEFT.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((number, Box::new(work)));
    AtOnce(number)
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        LEFT.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(number, _)| *number != self.0);
    }
}

/// Does what must be done before the program ends at once.
fn put_right() {
    // The thread that has the list has it for a moment, unless that is what has panicked.
    for _ in 0..1000 {
        if let Ok(left) = LEFT.try_lock() {
            left.iter().rev().for_each(|(_, work)| work());
            return;
        }
        thread::yield_now();
    }
}
