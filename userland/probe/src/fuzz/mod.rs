// SPDX-License-Identifier: MIT
//! `probe fuzz`: everything that a user can do with the nodes, with arguments at random and about every bound, by
//! several threads and processes at once. Each answer is judged: see `calls`. docs/explanation/reliability.md tells the rest.

mod arena;
pub mod calls;
pub mod commands;
mod draw;
mod freezer;
mod held;
mod kinds;
mod maps;
mod nodes;
mod op;
mod pattern;
mod ring;
mod setting;
mod shared;
mod supervise;
mod sys;
mod targets;
mod thread;
mod value;
mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;
use serde_json::{Map, Value, json};

use setting::Setting;
use shared::{Shared, WORKERS};
use worker::Plan;

#[derive(Args)]
pub struct Fuzz {
    /// Of all workers together.
    #[arg(long, default_value_t = 100_000)]
    operations: u32,
    /// Workers, in two processes.
    #[arg(long, default_value_t = 6)]
    threads: usize,
    #[arg(long, value_parser = crate::number, default_value = "1")]
    seed: u64,
    /// A disk that is written to.
    #[arg(long, default_value = "/dev/vda")]
    disk: PathBuf,
    /// One that is soon full.
    #[arg(long, default_value = "/dev/vdc")]
    small: PathBuf,
    /// A folder of a file system with direct I/O.
    #[arg(long, default_value = "/mnt")]
    folder: PathBuf,
    /// Regions and canaries hold what the host put there for the fuzzer.
    #[arg(long)]
    filled: bool,
    /// KiB that the kernel's own instruments may keep.
    #[arg(long, default_value_t = 0)]
    kept: u64,
    /// Seconds without an operation after which a call counts as stuck.
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Make the operations of this worker alone, and print those from a number on: WORKER:FROM.
    #[arg(long)]
    replay: Option<String>,
}

impl Fuzz {
    /// Returns a summary as JSON; what must not be ends the program.
    pub fn run(&self) -> Result<String, Errno> {
        let seed = self.seed;
        println!("seed {seed:#x}");
        ignore_signal()?;
        let device = supervise::Loop::attach(&self.folder.join("loop.img"));
        let (disk, small, folder) = (self.disk.clone(), self.small.clone(), self.folder.clone());
        let setting = Setting::discover(disk, small, folder, self.filled, self.kept)?;
        let shared = Shared::new().map_err(Errno::from_raw)?;
        let workers = self.threads.clamp(1, WORKERS);
        let plan = Plan {
            seed,
            operations: self.operations.div_ceil(workers as u32),
            workers,
            processes: workers.min(2),
        };
        let started = Instant::now();
        let ended = match &self.replay {
            Some(which) => {
                let (number, from) = which.split_once(':').unwrap_or((which, "0"));
                let number: usize = number.parse().map_err(|_| Errno::EINVAL)?;
                let from = from.parse().map_err(|_| Errno::EINVAL)?;
                worker::replay(&setting, shared, plan, number.min(WORKERS - 1), from)
            }
            None => supervise::run(&setting, shared, plan, Duration::from_secs(self.patience)),
        };
        match ended.and_then(|()| setting.check()) {
            Ok(()) => Ok(summary(shared, plan, started.elapsed()).to_string()),
            Err(violation) => {
                println!("violation: {violation}");
                print!("{}", supervise::report(shared, plan));
                drop(device);
                std::process::exit(1);
            }
        }
    }
}

/// A signal ends what it interrupts, and nothing else.
fn ignore_signal() -> Result<(), Errno> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    extern "C" fn nothing(_signal: i32) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: The handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.map(|_| ())
}

fn summary(shared: &Shared, plan: Plan, took: Duration) -> Value {
    let mut outcomes = Map::new();
    let mut operations = 0;
    for (kind, errno, count) in shared.boards.iter().flat_map(|board| board.outcomes()) {
        let row = outcomes
            .entry(kinds::KINDS[kind].name)
            .or_insert_with(|| json!({}));
        let cell = &mut row[name_of(errno as i32)];
        *cell = json!(cell.as_u64().unwrap_or(0) + u64::from(count));
        operations += u64::from(count);
    }
    json!({
        "seed": format!("{:#x}", plan.seed),
        "operations": operations,
        "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        "signatures": shared::signatures(&shared.boards),
        "outcomes": outcomes,
    })
}

fn name_of(errno: i32) -> String {
    match errno {
        0 => "ok".to_owned(),
        errno => format!("{:?}", Errno::from_raw(errno)),
    }
}
