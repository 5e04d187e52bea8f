// SPDX-License-Identifier: MIT

//! `resdump snapshot`: a region that something writes to, as it was at one moment. The module copies
//! it to memory first; it is written from there, by direct I/O, when the region may change again.

use nix::errno::Errno;

use super::dump;
use crate::{
    console::Console,
    engine::Name,
    error::{Error, Result},
    exit_codes::ExitCode,
    signals::Stop,
    source::{Held, Region, Source},
};

/// Arguments of `snapshot`: those of `dump`, less what makes no sense.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "resdump snapshot [OPTIONS] <REGION> <TARGET>",
    mut_arg("region", |arg| arg.help("Label, or node below /dev/resmem").index(1).num_args(1).action(clap::ArgAction::Set)),
    mut_arg("all", |arg| arg.hide(true)),
    mut_arg("target", |arg| arg.index(2)),
    mut_arg("no_manifest", |arg| arg.help("No manifest")),
    mut_arg("engine", |arg| arg.hide(true)),
    mut_arg("strict", |arg| arg.hide(true)),
    mut_arg("resume", |arg| arg.hide(true))
)]
pub struct Args {
    #[command(flatten)]
    dump: dump::Args,
}

impl Args {
    /// Whether standard output is the target.
    pub fn writes_to_standard_output(&self) -> bool {
        self.dump.writes_to_standard_output()
    }
}

/// Runs `snapshot`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let job = args.dump.job()?;
    let live = matches!(job.engine, Name::Kernel | Name::Devmem);
    for (given, flag) in [
        (job.resumes(), "--resume"),
        (job.strict, "--strict"),
        (live, "--engine"),
    ] {
        if given {
            return Err(Error::new(
                ExitCode::Usage,
                "not for a snapshot",
                flag,
                Errno::EINVAL,
                "leave it out, or use dump",
            ));
        }
    }
    let names = args.dump.regions();
    let [name] = &names[..] else {
        return Err(Error::new(
            ExitCode::Usage,
            "not for a snapshot",
            "several regions",
            Errno::EINVAL,
            "take one of each",
        ));
    };
    let region = Region::open(name)?;
    let span = job.span(region.size())?;
    let stop = Stop::on_signals()?;
    let held = Held::snapshot(&region, span, &stop)?;
    // The region is free to change; nothing else of it is wanted.
    drop(region);
    log::info!(
        "{} bytes of {} are held in memory",
        span.length,
        held.name()
    );
    dump::dump(job, &held, console)
}
