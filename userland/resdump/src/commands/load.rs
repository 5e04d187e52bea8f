// SPDX-License-Identifier: MIT

//! `resdump load`: a file or block device into a writable region, by the kernel engine.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{errno::Errno, libc};

use super::input::InputArgs;
use crate::{
    advice::{self, Doing},
    console::Console,
    engine::{Kernel, Piece, Settings},
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Kind,
    progress::Progress,
    report::{Clock, Report},
    signals::Stop,
    size,
    source::{Medium, Region, Saved, Source, digest},
    span::Span,
    transfer,
};

/// What places in the file must be a multiple of, at least.
const ALIGN: u64 = 512;

/// Arguments of `load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File or block device to read from
    file: PathBuf,

    /// Label, or node below /dev/resmem
    region: OsString,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the file, or of the region for a disk]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Where to begin in what the file holds
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    skip: u64,

    #[command(flatten)]
    input: InputArgs,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// Runs `load`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open_writable(&args.region)?;
    let saved = Saved::open(&args.file, &args.input.how())?;
    let name = saved.name();
    let (start, size) = data(&saved)?;
    let file = open(&saved)
        .map_err(|error| Error::during(Doing::OpenSource, "cannot open", name, &error))?;
    let kind = match saved.medium() {
        Medium::Block => Kind::Block,
        Medium::File => Kind::File,
    };

    let room = region.size().saturating_sub(args.offset);
    let there = size.saturating_sub(args.skip);
    // A disk continues behind what is on it.
    if args.length.is_none() && there > room && kind == Kind::File {
        return Err(Error::new(
            ExitCode::Range,
            "file is longer than the region",
            name,
            Errno::ERANGE,
            format!(
                "{there} bytes are to be loaded, and there is room for {room}: give a --length"
            ),
        ));
    }
    let length = args.length.unwrap_or(there.min(room).max(1));
    Span::new(args.skip, Some(length), size).map_err(|error| Error {
        subject: format!("{name} --skip {:#x} --length {length:#x}", args.skip),
        advice: format!("the file has {size} bytes: give a smaller --skip or --length"),
        ..error
    })?;
    let span = Span::new(args.offset, Some(length), region.size())?;
    let stop = Stop::on_signals()?;
    digest::expect(&saved, &|| stop.requested())?;

    let mut engine = Kernel::load(region.device(), Settings::default());
    let all = Piece {
        offset: span.offset,
        length: span.length,
        position: start + args.skip,
    };
    let clock = Clock::start();
    let mut progress = Progress::new(length, !args.quiet && !console.is_json());
    let moved = transfer::run(&mut engine, &file, all, &stop, &mut |bytes| {
        progress.at(bytes);
    });
    drop(progress);

    let mut report = Report::new(region.name(), Some(region.base()), span);
    report.target(name, kind, args.skip);
    report.engine(&engine);
    report.moved(&moved, 0);
    report.synced = None;
    report.time(&clock, 0.0);
    let error = moved
        .error
        .map(|errno| incomplete(name, moved.bytes, length, errno))
        .or_else(|| saved.check_unchanged().err());
    report.tell(args.quiet, console, error)
}

/// Where in the file the bytes are that are loaded, and how many: one range, at a place that direct I/O
/// can read from.
fn data(saved: &Saved) -> Result<(u64, u64)> {
    saved.refuse_packed()?;
    let range = saved.ranges()[0];
    if saved.ranges().len() > 1 || !range.at.is_multiple_of(ALIGN) {
        return Err(Error::new(
            ExitCode::Range,
            "cannot be loaded as it is",
            saved.name(),
            Errno::EINVAL,
            match saved.ranges().len() {
                1 => format!(
                    "its bytes begin at {:#x}, no multiple of {ALIGN}: make a raw file of it first, with \
                     'resdump convert'",
                    range.at
                ),
                count => format!("it has {count} ranges, and this takes one"),
            },
        ));
    }
    Ok((range.at, range.stored))
}

/// The same file again, for direct I/O.
fn open(saved: &Saved) -> std::io::Result<File> {
    let again = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
    };
    again(format!("/proc/self/fd/{}", saved.file().as_raw_fd()).as_ref())
        .or_else(|_| again(saved.path()))
}

fn incomplete(file: &str, done: u64, whole: u64, errno: Errno) -> Error {
    let (code, reason) = advice::of(errno, Doing::Load);
    Error::new(
        code,
        "load incomplete",
        file,
        errno,
        format!("{reason}; {done} of {whole} bytes are in the region"),
    )
}
