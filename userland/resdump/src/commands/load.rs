// SPDX-License-Identifier: MIT

//! `resdump load`: a file or block device into a writable region, by the kernel engine.

use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::PathBuf,
};

use nix::{errno::Errno, libc};

use crate::{
    console::Console,
    engine::{Kernel, Piece, Settings},
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Kind,
    progress::Progress,
    report::{Clock, Report},
    signals::Stop,
    size,
    source::{Region, Source},
    span::Span,
    transfer,
};

/// Arguments of `load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File or block device to read from
    file: PathBuf,

    /// Label, or node below /dev/resmem
    region: String,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the file or of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Where to begin in the file
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    skip: u64,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// Runs `load`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open_writable(&args.region)?;
    let name = args.file.to_string_lossy();
    let failed = |error: std::io::Error| Error::io("cannot open", &name, &error);
    let (file, kind, size) = open(&args.file).map_err(failed)?;

    let room = region.size().saturating_sub(args.offset);
    let there = size.saturating_sub(args.skip);
    let length = args.length.unwrap_or(there.min(room).max(1));
    Span::new(args.skip, Some(length), size).map_err(|error| Error {
        subject: format!("{name} --skip {:#x} --length {length:#x}", args.skip),
        advice: format!("the file has {size} bytes: give a smaller --skip or --length"),
        ..error
    })?;
    let span = Span::new(args.offset, Some(length), region.size())?;

    let stop = Stop::on_signals()?;
    let mut engine = Kernel::load(region.node(), Settings::default());
    let all = Piece {
        offset: span.offset,
        length: span.length,
        position: args.skip,
    };
    let clock = Clock::start();
    let mut progress = Progress::new(length, !args.quiet && !console.is_json());
    let moved = transfer::run(&mut engine, &file, all, &stop, &mut |bytes| {
        progress.at(bytes);
    });
    drop(progress);

    let mut report = Report::new(region.name(), Some(region.base()), span);
    report.target(&name, kind, args.skip);
    report.engine(&engine);
    report.moved(&moved, 0);
    report.synced = None;
    report.time(&clock, 0.0);
    let error = moved
        .error
        .map(|errno| incomplete(&name, moved.bytes, length, errno));
    report.tell(args.quiet, console, error)
}

/// Opens for direct I/O, and finds kind and size.
fn open(path: &PathBuf) -> std::io::Result<(File, Kind, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)?;
    let kind = if file.metadata()?.file_type().is_block_device() {
        Kind::Block
    } else {
        Kind::File
    };
    let size = file.seek(SeekFrom::End(0))?;
    Ok((file, kind, size))
}

fn incomplete(file: &str, done: u64, whole: u64, errno: Errno) -> Error {
    let (code, reason) = match errno {
        Errno::EINTR => (ExitCode::Interrupted, "stopped by a signal"),
        Errno::EINVAL => (
            ExitCode::Range,
            "offset, --skip and length must be multiples of the file system's block",
        ),
        Errno::ENOTTY => (ExitCode::Engine, "the module is older than this program"),
        _ => (ExitCode::Io, "see the kernel log"),
    };
    Error::new(
        code,
        "load incomplete",
        file,
        errno,
        format!("{reason}; {done} of {whole} bytes are in the region"),
    )
}
