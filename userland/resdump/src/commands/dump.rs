// SPDX-License-Identifier: MIT

//! `resdump dump`: a region to a file or block device.

use std::path::PathBuf;

use nix::errno::Errno;
use resmem_abi::abi::{CHUNK_DEFAULT, DEPTH_DEFAULT, DEPTH_MAX};

use crate::{
    engine::{self, Engine, Moved, Name, Piece, Settings},
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Output,
    progress::Progress,
    report::{Clock, Report},
    signals::Stop,
    size,
    source::{self, Source},
    span::{Plan, Span},
    target::{Kind, Permit, Target},
    transfer,
};

/// Arguments of `dump`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file
    region: String,

    /// File (made if there is none) or block device to write to
    target: PathBuf,

    /// How the bytes move
    #[arg(long, value_enum, default_value = "auto")]
    engine: Name,

    /// Refuse to copy: fail unless every byte goes by direct I/O
    #[arg(long)]
    strict: bool,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Where the first byte goes to in the target; a file keeps what is before
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    seek: u64,

    /// Bytes a request [default: 4 MiB]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    chunk: Option<u32>,

    /// Requests in flight [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX as i64))]
    depth: Option<u32>,

    /// Overwrite a file that is not empty, or a device that is in use
    #[arg(long)]
    force: bool,

    /// Write what fits, in whole chunks, when the target is too small
    #[arg(long)]
    partial: bool,

    /// Do not wait until the data is durable
    #[arg(long)]
    no_sync: bool,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// Runs `dump`.
///
/// Everything that can be refused is refused before the target is changed: the range, then the
/// engine, then the target, then the alignment.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode> {
    let source = source::open(&args.region)?;
    let span = Span::new(args.offset, args.length, source.size())?;
    let settings = Settings {
        chunk: args.chunk.unwrap_or(CHUNK_DEFAULT),
        depth: args.depth.unwrap_or(DEPTH_DEFAULT),
    };
    let mut engine = engine::open(args.engine, &*source, span, settings, args.strict)?;
    let permit = Permit {
        force: args.force,
        partial: args.partial,
    };
    let target = Target::open(&args.target, engine.direct(), permit)?;
    let plan = match lay_out(args, &*source, span, &target) {
        Ok(plan) => plan,
        Err(error) => {
            target.abandon();
            return Err(error);
        }
    };
    let stop = Stop::on_signals()
        .map_err(|error| Error::io("cannot handle", "SIGINT and SIGTERM", &error))?;

    let clock = Clock::start();
    let mut progress = Progress::new(span.length, !args.quiet && !output.is_json());
    let moved = write(
        &mut *engine,
        &*source,
        &target,
        &plan,
        &stop,
        &mut |bytes| {
            progress.at(bytes);
        },
    );
    drop(progress);
    let finished = finish(&target, &plan, &moved, !args.no_sync);
    let name = args.target.to_string_lossy();
    let mut report = Report::new(source.name(), source.base(), span);
    report.target(&name, target.kind(), args.seek);
    report.engine(&*engine);
    report.moved(&moved);
    report.time(&clock, finished.sync_seconds);
    report.synced = finished.synced;

    let error = moved
        .error
        .map(|errno| incomplete(args, target.kind(), &moved, &plan, errno))
        .or(finished.error)
        .or_else(|| {
            (args.strict && moved.copied > 0)
                .then(|| engine::would_copy(&name, "it is complete, but bytes have been copied"))
        });
    if moved.bytes == 0 {
        target.abandon();
    }
    if output.is_json() {
        output.object(&report, error.as_ref())?;
    } else if !args.quiet {
        output.text(|out| writeln!(out, "{report}"))?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| output.complain(&error)))
}

/// Where everything goes to, and room for it.
fn lay_out(args: &Args, source: &dyn Source, span: Span, target: &Target) -> Result<Plan> {
    let base = source.base().unwrap_or(0);
    let plan = Plan::new(span, args.seek, base, target.alignment())?;
    if args.strict && target.copies() {
        return Err(engine::would_copy(
            &args.target.to_string_lossy(),
            "it is in memory: give a file or a device on a disk",
        ));
    }
    if args.strict && plan.tail() > 0 {
        return Err(engine::would_copy(
            &format!("--length {:#x}", span.length),
            &format!(
                "the last {} bytes are less than a block of the target: give a multiple of {}",
                plan.tail(),
                target.alignment().offset
            ),
        ));
    }
    target.prepare(&plan)?;
    Ok(plan)
}

/// Body by the engine, tail through the page cache.
fn write(
    engine: &mut dyn Engine,
    source: &dyn Source,
    target: &Target,
    plan: &Plan,
    stop: &Stop,
    progress: &mut dyn FnMut(u64),
) -> Moved {
    let mut moved = Moved::default();
    if plan.body > 0 {
        let body = Piece {
            offset: plan.span.offset,
            length: plan.body,
            position: plan.seek,
        };
        moved = transfer::run(engine, target.file(), body, stop, progress);
    }
    if moved.direct > 0 && target.copies() {
        log::warn!("the target is in memory: nothing went by direct I/O");
        moved.copied += moved.direct;
        moved.direct = 0;
    }
    let tail = plan.tail();
    if moved.error.is_none() && tail > 0 {
        // Less than one block.
        let mut bytes = vec![0; tail as usize];
        let written = source
            .read_at(&mut bytes, plan.span.offset + plan.body)
            .map_err(|error| error.errno)
            .and_then(|()| target.write_tail(&bytes, plan.seek + plan.body));
        match written {
            Ok(()) => {
                moved.bytes += tail;
                moved.copied += tail;
            }
            Err(errno) => moved.error = Some(errno),
        }
    }
    moved
}

/// How a dump was brought to an end after the last byte.
struct Finished {
    synced: bool,
    sync_seconds: f64,
    error: Option<Error>,
}

/// Leaves exactly what was moved on the target, and makes it durable.
fn finish(target: &Target, plan: &Plan, moved: &Moved, sync: bool) -> Finished {
    let cut = if moved.bytes < plan.span.length {
        target.truncate(plan.seek + moved.bytes)
    } else {
        Ok(())
    };
    let clock = Clock::start();
    let synced = if sync { target.sync() } else { Ok(()) };
    Finished {
        synced: sync && synced.is_ok(),
        sync_seconds: clock.seconds(),
        error: cut.and(synced).err(),
    }
}

/// Says what stopped a dump, what is on the target, and how to go on.
fn incomplete(args: &Args, kind: Kind, moved: &Moved, plan: &Plan, errno: Errno) -> Error {
    let (code, reason) = match errno {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => (ExitCode::NoSpace, "the target is full"),
        Errno::EINTR => (ExitCode::Interrupted, "stopped by a signal"),
        Errno::EINVAL | Errno::ERANGE | Errno::EOVERFLOW if moved.bytes == 0 => (
            ExitCode::Range,
            "the kernel refuses this range or alignment",
        ),
        Errno::EOPNOTSUPP => (ExitCode::Target, "the target has no direct I/O"),
        Errno::EFAULT => (
            ExitCode::Engine,
            "the memory cannot be pinned: use --engine kernel",
        ),
        Errno::ENOTTY => (ExitCode::Engine, "the module is older than this program"),
        _ => (ExitCode::Io, "see the kernel log"),
    };
    let (done, whole) = (moved.bytes, plan.span.length);
    let mut advice = format!("{reason}; {done} of {whole} bytes are on the target");
    if done > 0 {
        advice += &format!(
            ", go on with --offset {:#x} --length {:#x} --seek {:#x}{}",
            plan.span.offset + done,
            whole - done,
            plan.seek + done,
            match kind {
                Kind::File => " --force",
                Kind::Block => "",
            }
        );
    }
    Error::new(
        code,
        "dump incomplete",
        args.target.display(),
        errno,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &[&str]) -> Args {
        let line = ["resdump", "dump"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Dump(args) => args,
            _ => unreachable!("it is a dump"),
        }
    }

    fn stopped(bytes: u64, errno: Errno) -> Error {
        let plan = Plan {
            span: Span {
                offset: 0x1000,
                length: 0x1_4000_0000,
            },
            seek: 0x200,
            body: 0x1_4000_0000,
        };
        let moved = Moved {
            bytes,
            ..Moved::default()
        };
        incomplete(
            &args(&["capture", "/mnt/a"]),
            Kind::File,
            &moved,
            &plan,
            errno,
        )
    }

    #[test]
    fn what_is_on_the_target_and_how_to_go_on() {
        assert_eq!(
            stopped(0x1_0000_0000, Errno::ENOSPC).to_string(),
            "dump incomplete: /mnt/a: ENOSPC (28): the target is full; 4294967296 of 5368709120 \
             bytes are on the target, go on with --offset 0x100001000 --length 0x40000000 \
             --seek 0x100000200 --force"
        );
    }

    #[test]
    fn the_exit_status_follows_from_the_errno() {
        for (errno, code) in [
            (Errno::ENOSPC, ExitCode::NoSpace),
            (Errno::EINTR, ExitCode::Interrupted),
            (Errno::EIO, ExitCode::Io),
            (Errno::EFAULT, ExitCode::Engine),
        ] {
            assert_eq!(stopped(512, errno).code, code);
        }
        assert_eq!(stopped(0, Errno::EINVAL).code, ExitCode::Range);
        assert_eq!(stopped(512, Errno::EINVAL).code, ExitCode::Io);
    }

    #[test]
    fn the_abis_limits_hold_on_the_command_line() {
        let parse = |flag: &str, value: &str| {
            Cli::try_parse_from(["resdump", "dump", "a", "b", flag, value]).is_ok()
        };
        assert!(parse("--depth", "64") && !parse("--depth", "65") && !parse("--depth", "0"));
        assert!(parse("--chunk", "64M") && !parse("--chunk", "128M"));
    }
}
