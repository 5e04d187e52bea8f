// SPDX-License-Identifier: MIT

//! `resdump dump`: a region to a file or block device.
//!
//! The command line ends in a [`Job`]; what is done with that depends on what it goes to. Everything that
//! can be refused is refused before the target is changed: the range, then the engine, then the target,
//! then alignment and room.

use nix::errno::Errno;

use crate::{
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::{Manner, Output, Place, Request},
    source::{self, Several, Source},
};

mod args;
mod headers;
mod incomplete;
mod job;
mod known;
mod layout;
mod packed;
mod plain;
mod remote;
mod run;
mod several;
mod standard;
mod stream;

pub use args::Args;
pub(in crate::commands) use headers::lime as lime_header;
use job::Job;
use stream::Dump;

/// Runs `dump`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let mut job = args.job()?;
    let how = args.take().how();
    let names = args.regions();
    if let ([one], false) = (&names[..], args.is_several()) {
        return dump(job, &*source::open_one(one, &how)?, console);
    }
    args.check_several()?;
    let sources = names
        .iter()
        .map(|name| source::open_one(name, &how))
        .collect::<Result<Vec<_>>>()?;
    if sources.is_empty() {
        return Err(source::none_found());
    }
    let source = Several::new(sources)?;
    job.fill(&source.name().replace(", ", "+"))?;
    several::run(&job, &source, console)
}

/// Dumps `source`.
pub(super) fn dump(mut job: Job, source: &dyn Source, console: &Console) -> Result<ExitCode> {
    job.fill(source.name())?;
    let job = &job;
    match (&job.place, job.compress) {
        (Some(place), _) => streamed(job, place, source, console),
        (None, Some(compression)) => packed::run(job, compression, source, console),
        (None, None) => plain::run(job, source, console),
    }
}

/// Dumps `source` to what can only be added to.
fn streamed(job: &Job, place: &Place, source: &dyn Source, console: &Console) -> Result<ExitCode> {
    if source.incomplete().is_some() && matches!(place, Place::Tcp(_)) {
        return Err(Error::new(
            ExitCode::Usage,
            "not for a stream",
            "--incomplete",
            Errno::ESPIPE,
            "the receiver would take it for complete: convert it to a file first",
        ));
    }
    let aside = console.aside();
    let name = job.name();
    let dump = Dump::new(job, source, &name, console)?;
    match place {
        Place::Output => standard::run(&dump, &aside),
        Place::Tcp(address) => remote::run(&dump, address, console),
    }
}

/// Opens the target.
fn open(job: &Job, manner: Manner, source: &dyn Source) -> Result<Output> {
    let request = Request {
        path: &job.target,
        manner,
        permit: job.permit,
        inputs: &source.identities(),
    };
    Output::open(&request, None)
}
