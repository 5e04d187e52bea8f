// SPDX-License-Identifier: MIT

//! `resdump receive`: the other end of `resdump dump REGION tcp:HOST:PORT` and of `resdump send`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    address::Address,
    codec::digest::Digest,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    report::in_memory,
    size,
    stream::socket::SILENCE,
    text,
};

mod names;
mod prepared;
mod serial;
mod store;
mod tcp;

use prepared::Policy;
use store::Stored;

/// For a sender to come, unless a person wants it otherwise.
const WAIT: Duration = Duration::from_secs(600);

/// Arguments of `receive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// tcp:[ADDRESS:]PORT (0: any), a serial device, tcp://HOST:PORT for one behind a console server,
    /// or '-' for this terminal
    from: OsString,

    /// File to make, its manifest next to it; a folder with --keep-listening
    file: PathBuf,

    /// Resume an interrupted transfer, as the manifest says
    #[arg(long)]
    resume: bool,

    /// Overwrite the file
    #[arg(long)]
    force: bool,

    /// Take one dump after the other: LABEL-1.raw, LABEL-2.raw in a folder
    #[arg(long, conflicts_with_all = ["resume", "force", "manifest"])]
    keep_listening: bool,

    /// End after so many complete dumps
    // clap does not require what conflicts with another argument that is there.
    #[arg(long, value_name = "N", requires = "keep_listening",
          conflicts_with_all = ["resume", "force", "manifest"], value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Refuse what is larger
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_size: Option<u64>,

    /// Where the manifest goes to [default: FILE.json next to a file]
    #[arg(long, value_name = "PATH")]
    manifest: Option<PathBuf>,

    /// Longest wait, for a sender and for its next byte [default: 600, then 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(3..=1_000_000))]
    timeout: Option<u64>,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// What is to be done.
struct Job {
    /// As it was named.
    from: OsString,
    target: Target,
    policy: Policy,
    /// For a sender.
    wait: Option<Duration>,
    /// Of a sender.
    silence: Duration,
    keep: Option<Keep>,
    quiet: bool,
}

enum Target {
    File(PathBuf),
    Folder(PathBuf),
}

/// One dump after the other.
#[derive(Clone, Copy)]
struct Keep {
    count: Option<u64>,
}

impl Job {
    fn of(args: &Args) -> Result<Self> {
        let timeout = args.timeout.map(Duration::from_secs);
        let keep = args.keep_listening.then_some(Keep { count: args.count });
        let target = match keep {
            None => Target::File(args.file.clone()),
            Some(_) if args.file.is_dir() => Target::Folder(args.file.clone()),
            Some(_) => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "not a folder",
                    text::name(&args.file),
                    Errno::ENOTDIR,
                    "--keep-listening makes files in a folder: give one that exists",
                ));
            }
        };
        Ok(Self {
            from: args.from.clone(),
            target,
            policy: Policy {
                force: args.force,
                resume: args.resume,
                manifest: args.manifest.clone(),
                max_size: args.max_size,
            },
            wait: match keep {
                // As long as it takes.
                Some(_) => timeout,
                None => Some(timeout.unwrap_or(WAIT)),
            },
            silence: timeout.unwrap_or(SILENCE),
            keep,
            quiet: args.quiet,
        })
    }

    /// Where from, for messages.
    fn name(&self) -> String {
        text::name(&self.from)
    }

    /// Whether to show how far it is: of several at once nothing.
    fn shows(&self, console: &Console) -> bool {
        !self.quiet && !console.is_json() && self.keep.is_none()
    }
}

impl Args {
    /// Whether standard output is the line.
    pub fn writes_to_standard_output(&self) -> bool {
        self.from == "-"
    }
}

/// Runs `receive`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let address = match args.from.to_str() {
        Some(text) if Address::of_line(text)?.is_none() => Address::to_listen(text)?,
        _ => None,
    };
    let job = Job::of(args)?;
    match address {
        Some(address) => tcp::run(&job, &address, console),
        None => serial::run(&job, console),
    }
}

/// What has come, for a person or a program.
#[derive(Serialize)]
struct Received<'a> {
    file: &'a str,
    region: &'a str,
    length: u64,
    bytes: u64,
    resumed: u64,
    complete: bool,
    /// Whether the file is in memory: nothing there is ever durable.
    in_memory: bool,
    digest: Option<&'a Digest>,
    manifest: Option<&'a str>,
    seconds: f64,
}

impl<'a> Received<'a> {
    fn of(stored: &'a Stored) -> Self {
        Self {
            file: &stored.name,
            region: &stored.origin.region,
            length: stored.origin.length,
            bytes: stored.bytes,
            resumed: stored.resumed,
            complete: stored.error.is_none(),
            in_memory: stored.in_memory,
            digest: stored.digest.as_ref(),
            manifest: stored.manifest.as_deref(),
            seconds: stored.seconds,
        }
    }

    fn tell(&self, job: &Job, console: &Console, error: Option<&Error>) -> Result<ExitCode> {
        if console.is_json() {
            console.object(self, error)?;
        } else if !job.quiet {
            console.text(|out| {
                write!(
                    out,
                    "{} of {} bytes of {}",
                    self.bytes,
                    self.length,
                    text::printable(self.region)
                )?;
                if job.keep.is_some() {
                    write!(out, " in {}", text::printable(self.file))?;
                }
                writeln!(out, "{}", in_memory(self.in_memory))
            })?;
        }
        Ok(error.map_or(ExitCode::Ok, |error| console.complain(error)))
    }
}
