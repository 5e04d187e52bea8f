// SPDX-License-Identifier: MIT

//! SIGINT, SIGTERM and SIGHUP end a transfer at the next point where its state is known; a second one
//! ends the program at once, and so does each other signal that ends a program and can be caught. What must
//! not be left behind is restored in each case. Not caught are SIGKILL and what a fault of the program
//! itself raises (SIGSEGV, SIGBUS, SIGILL, SIGFPE).
//!
//! A signal that the program was started with ignored, as `nohup` ignores SIGHUP, stays ignored.
//! SIGPIPE and SIGXFSZ are ignored: both come back as an errno of the write, EPIPE and EFBIG.
//!
//! One thread waits for all of them, and they are blocked in every other. Two handlers may run: one that does nothing but
//! interrupt the system call that the first thread is in, and one that notes a trigger.

#![forbid(unsafe_code)]

use std::{
    fmt, io, panic,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::{
    pthread::{Pthread, pthread_kill, pthread_self},
    signal::{
        SigSet,
        Signal::{
            self, SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGPWR, SIGQUIT,
            SIGSTKFLT, SIGSYS, SIGTERM, SIGTRAP, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
            SIGXFSZ,
        },
    },
};

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    sys,
};

/// Those that ask for the end.
const REQUESTS: [Signal; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Those that end the program at once, as if nothing had been done about them.
const ENDS: [Signal; 13] = [
    SIGQUIT, SIGABRT, SIGALRM, SIGIO, SIGPROF, SIGPWR, SIGSTKFLT, SIGSYS, SIGTRAP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU,
];

/// For what must come to its end before the program may: between two looks, and how often.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 1000;

/// What the thread that waits for signals needs.
const STACK: usize = 128 << 10;

/// What interrupts the system call that the first thread is in: it means nothing to a program that does not ask for it.
const WAKE: Signal = SIGURG;

/// Those that the first request sets.
static STOPS: Mutex<Vec<Stop>> = Mutex::new(Vec::new());

fn stops() -> MutexGuard<'static, Vec<Stop>> {
    STOPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the end was asked for.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Has signals handled. The first one is a request; the second ends the program at once.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        stops().push(stop.clone());
        watch().map_err(|error| {
            Error::during(
                Doing::Else,
                "cannot handle",
                "SIGINT, SIGTERM and SIGHUP",
                &error,
            )
        })?;
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
pub struct Trigger {
    pulled: Arc<AtomicBool>,
    by_signal: bool,
}

/// Whether SIGUSR1 is one.
static TRIGGERS: AtomicBool = AtomicBool::new(false);

impl Trigger {
    /// Has SIGUSR1 handled, by a handler: others see by that that it does not end this process.
    pub fn on_signal() -> Result<Self> {
        TRIGGERS.store(true, Ordering::SeqCst);
        let mut only = SigSet::empty();
        only.add(SIGUSR1);
        sys::signal::note(SIGUSR1)
            .and_then(|()| Ok(only.thread_unblock()?))
            .map_err(|error| Error::during(Doing::Else, "cannot handle", "SIGUSR1", &error))?;
        Ok(Self {
            by_signal: true,
            ..Self::default()
        })
    }

    /// As the signal does.
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::Relaxed);
    }

    /// Whether one came since the last call.
    pub fn take(&self) -> bool {
        let noted = self.by_signal && sys::signal::NOTED.swap(false, Ordering::Relaxed);
        self.pulled.swap(false, Ordering::Relaxed) || noted
    }
}

/// Starts the thread that waits for signals, once. The caller is the thread whose system calls they interrupt.
fn watch() -> io::Result<()> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let mut signals = SigSet::empty();
    for signal in REQUESTS.into_iter().chain(ENDS) {
        // One that is blocked comes although it is ignored.
        match sys::signal::is_ignored(signal)? {
            true => log::debug!("{signal} was ignored before, and stays so"),
            false => signals.add(signal),
        }
    }
    sys::signal::only_interrupt(WAKE)?;
    signals.thread_block()?;
    let first = pthread_self();
    blocked(|| {
        thread::Builder::new()
            .name("signals".into())
            .stack_size(STACK)
            .spawn(move || handle(&signals, first))
    })
    .map(drop)
}

/// Lets the first request be, and ends the program with the second, or with one of [`ENDS`].
fn handle(signals: &SigSet, first: Pthread) {
    let mut asked = false;
    loop {
        let Ok(signal) = signals.wait() else {
            continue;
        };
        if signal == SIGUSR1 && TRIGGERS.load(Ordering::SeqCst) {
            sys::signal::NOTED.store(true, Ordering::Relaxed);
            let _ = pthread_kill(first, WAKE);
            continue;
        }
        let is_request = REQUESTS.contains(&signal);
        if is_request && (!asked || SETTLED.load(Ordering::SeqCst)) {
            asked = true;
            stops().iter().for_each(Stop::request);
            let _ = pthread_kill(first, WAKE);
            continue;
        }
        let _held = wait_for_holder();
        put_right();
        if !is_request {
            // It ends as if nothing had been done about it, with a core file where wanted.
            sys::signal::end_by(signal);
        }
        sys::signal::end(ExitCode::Interrupted as i32);
    }
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
    sys::signal::ignore(SIGPIPE)
        .and_then(|()| sys::signal::ignore(SIGXFSZ))
        .map_err(|error| Error::during(Doing::Else, "cannot handle", "SIGPIPE, SIGXFSZ", &error))
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
