// SPDX-License-Identifier: MIT

//! `resdump bench`: the ways from memory to a target, side by side on this machine.
//!
//! ```text
//! WAY     CHUNK            DEPTH  MB/s  LEAST  MOST  CPU us/MiB  ALL us/MiB
//! kernel  4194304 (4 MiB)  8      38.9  38.7   39.0  9.1         61.3
//! anon    4194304 (4 MiB)  8      35.2  34.9   35.4  1420.7      1610.0
//! kernel / anon: 1.1 x
//! ```

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use resmem::abi::DEPTH_MAX;

use crate::{
    console::Console,
    engine::{Name, Settings},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest,
    output::{Manner, Output, Permit, Request},
    progress::Progress,
    signals::Stop,
    size,
    source::{self, Held, Source},
    span::{Plan, Span},
    text,
};

mod measure;
mod record;
mod report;

use measure::{Bench, Sample};
use report::{Refused, Report};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,

    /// File to make, or block device: what is on it is lost
    #[arg(required = true)]
    target: Option<PathBuf>,

    /// Label, node below /dev/resmem, or a saved file [default: the first region]
    #[arg(long, value_name = "REGION")]
    region: Option<OsString>,

    /// Bytes that are written each time, or as many as there are
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = size::parse)]
    length: u64,

    /// Bytes a request, several with commas
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "64K,1M,16M",
          value_parser = size::parse_chunk)]
    chunk: Vec<u32>,

    /// Requests in flight, several with commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8",
          value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX as i64))]
    depth: Vec<u32>,

    /// Rounds that count; one more goes before them
    #[arg(long, value_name = "N", default_value = "7",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Overwrite a file that is not empty, or a device that is in use
    #[arg(long)]
    force: bool,

    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// What else is measured.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure a recording, next to the best that another program can do
    Record(record::Args),
}

impl Args {
    fn target(&self) -> &Path {
        self.target.as_deref().unwrap_or(Path::new(""))
    }
}

/// A way from memory to the target.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    engine: Name,
    /// From ordinary memory, as any program has it, in place of the region.
    ordinary: bool,
    settings: Settings,
}

/// Every way with every setting that it knows.
fn ways(args: &Args) -> Vec<Way> {
    let mut ways = Vec::new();
    for (name, engine, ordinary, deep, mapped) in [
        ("kernel", Name::Kernel, false, true, false),
        ("mmap", Name::Mmap, false, true, false),
        ("mapped", Name::Mmap, false, true, true),
        ("anon", Name::Mmap, true, true, false),
        ("read", Name::Read, false, false, false),
        ("devmem", Name::Devmem, false, false, false),
    ] {
        for &chunk in &args.chunk {
            for &depth in if deep { &args.depth[..] } else { &[1] } {
                ways.push(Way {
                    name,
                    engine,
                    ordinary,
                    settings: Settings {
                        chunk,
                        depth,
                        mapped,
                    },
                });
            }
        }
    }
    ways
}

/// Runs `bench`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    if let Some(What::Record(args)) = &args.what {
        return record::run(args, console);
    }
    let labels = source::labels(source::DIRECTORY.as_ref());
    let region = match (&args.region, labels.first()) {
        (Some(name), _) => name,
        (None, Some(label)) => label,
        (None, None) => return Err(source::none_found()),
    };
    let source = source::open(region)?;
    let source = &*source;
    let stop = Stop::on_signals()?;
    let request = Request {
        path: args.target(),
        manner: Manner::Direct,
        permit: Permit {
            force: args.force,
            ..Permit::default()
        },
        inputs: &source.identities(),
    };
    let mut direct = Output::open(&request, None)?;
    direct.remove_at_once();
    direct.take_part(0, 0)?;
    let bench = prepare(args, source, &direct, &stop)?;
    let mut report = Report::new(args, source, &bench);
    let measured = rounds(args, &bench, &mut report, console);
    // What was written to try it out is nothing.
    direct.truncate(0)?;
    drop(bench);
    drop(direct);
    measured?;
    if console.is_json() {
        console.object(&report, None)?;
    } else {
        console.text(|out| report.print(out))?;
    }
    Ok(ExitCode::Ok)
}

/// Makes room on the target, and holds a copy of the region in ordinary memory.
fn prepare<'a>(
    args: &'a Args,
    source: &'a dyn Source,
    direct: &'a Output,
    stop: &'a Stop,
) -> Result<Bench<'a>> {
    // Whole chunks and blocks, so that no way has a tail.
    let whole = u64::from(direct.alignment().offset).max(4096);
    let length = args.length.min(source.size());
    let span = Span::new(0, Some(length - length % whole), source.size())?;
    let plan = Plan::new(span, 0, 0, direct.alignment())?;
    let ordinary = Held::copy(source, span)?;
    direct.expect_fit(&plan, span.length, false)?;
    manifest::forget(direct, |_| false)?;
    direct.prepare(&plan, span.length, false)?;
    Ok(Bench {
        source,
        ordinary,
        span,
        direct,
        buffered: direct.buffered()?,
        path: args.target(),
        stop,
    })
}

/// Every way in each round, so that what else the machine does meets all of them.
fn rounds(args: &Args, bench: &Bench<'_>, report: &mut Report, console: &Console) -> Result<()> {
    let mut ways: Vec<(Way, Vec<Sample>)> = ways(args)
        .into_iter()
        .map(|way| (way, Vec::new()))
        .collect();
    let total = bench.span.length * ways.len() as u64 * u64::from(args.rounds + 1);
    let mut progress = Progress::new(total, !args.quiet && !console.is_json());
    let mut done = 0;
    for round in 0..=args.rounds {
        let mut refused: Vec<&str> = Vec::new();
        for (way, samples) in &mut ways {
            if bench.stop.requested() {
                return Err(interrupted(args.target()));
            }
            match bench.measure(way)? {
                Ok(sample) if round > 0 => samples.push(sample),
                Ok(_) => {}
                Err(error) => {
                    refused.push(way.name);
                    report.refused(Refused::new(way.name, &error));
                }
            }
            done += bench.span.length;
            progress.at(done);
        }
        // What does not work once is not tried again.
        ways.retain(|(way, _)| !refused.contains(&way.name));
    }
    for (way, samples) in &ways {
        report.add(way, samples, bench.span);
    }
    Ok(())
}

fn interrupted(target: &Path) -> Error {
    Error::new(
        ExitCode::Interrupted,
        "benchmark interrupted",
        text::name(target),
        Errno::EINTR,
        "stopped by a signal; fewer --rounds or a smaller --length take less time",
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn every_way_is_tried_with_every_setting_it_knows() {
        let line = "resdump bench /dev/vdb --chunk 64K,4M --depth 1,4,16";
        let Command::Bench(args) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
            unreachable!("it is a benchmark")
        };
        let ways = ways(&args);
        let count = |name| ways.iter().filter(|way| way.name == name).count();
        assert_eq!(
            ["kernel", "mmap", "mapped", "anon", "read", "devmem"].map(count),
            [6, 6, 6, 6, 2, 2]
        );
    }
}
