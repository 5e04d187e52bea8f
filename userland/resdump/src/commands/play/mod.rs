// SPDX-License-Identifier: MIT

//! `resdump play`: a recording from disk into a ring that a device reads.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::errno::Errno;
use resdump_format::recording::player::Flaw;
use resmem::abi::{POSITION_BOUNDED, REGION_DEVICE_READS, REGION_DEVICE_WRITES, RingPosition};

use super::{
    record::limits::{chunk, patience, position, ring},
    recording,
};
use crate::{
    advice::Doing,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::{self, Kind},
    player::{self, Limits, Live, Refusal, Tape},
    recorder::{Fault, Saved},
    signals::Stop,
    size,
    source::{Region, Source},
};

mod report;

use report::Reporter;

/// Arguments of `play`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with a recording
    folder: PathBuf,

    /// Label, or node below /dev/resmem
    region: OsString,

    /// Play it again and again, until a signal
    #[arg(long = "loop")]
    looped: bool,

    /// First byte, by its offset in the stream [default: the first]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    offset: Option<u64>,

    /// Number of bytes [default: to the end]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// The first byte lies so far ahead of the device: for one that runs already
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    ahead: u64,

    /// Most bytes of a read [default: a sixteenth of the ring, 4M to 16M; a quarter of a small one]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    chunk: Option<u32>,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

/// Runs `play`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let region = Region::open_writable(&args.region)?;
    expect_read(&region)?;
    let position = position(&region)?;
    let busy = |what: &str| {
        Error::new(
            ExitCode::Target,
            "cannot be played",
            what,
            Errno::EBUSY,
            "another run records it, or plays into it: end that first",
        )
    };
    // A recorder has both as well.
    alone(region.file().try_lock(), region.name(), &busy)?;
    let folder = args.folder.display().to_string();
    let taken =
        File::open(&args.folder).map_err(|error| recording::cannot_open(&args.folder, &error))?;
    alone(taken.try_lock_shared(), &folder, &busy)?;
    let saved = open(&args.folder)?;
    let range = recording::range(args.offset, args.length, saved.extent())?;
    recording::expect_apart(&saved.pieces(&range))?;
    let mut tape = Tape::new(&saved, range.clone(), args.looped);
    let block = block(&mut tape, &folder)?;
    if range.is_empty() {
        return Err(odd(&folder, "there is no byte to play"));
    }
    if !range.start.is_multiple_of(block) {
        let advice = format!("direct I/O from there begins at multiples of {block} bytes");
        return Err(odd("--offset", advice));
    }
    if args.looped && !tape.lap().is_multiple_of(block) {
        return Err(odd("--loop", lap_advice(tape.lap(), block)));
    }
    let stop = Stop::on_signals()?;
    let limits = limits(args, &position, block);
    let mut live = Live::new(region.device(), limits.chunk, &stop);
    let mut reporter = Reporter::new(console, args.quiet);
    let begun = Instant::now();
    let outcome = player::run(&mut live, &mut tape, &limits, &stop, &mut |event| {
        reporter.at(event);
    })
    .map_err(|refusal| refused(&refusal, region.name()))?;
    let played = report::Played {
        region: region.name(),
        folder,
        from_offset: range.start,
        to_offset: range.end,
        suspect: suspect(&saved, &range),
        looped: args.looped,
        bounded: position.flags & POSITION_BOUNDED != 0,
        time: begun.elapsed(),
        outcome,
    };
    reporter.tell(&played)
}

/// A ring that a device reads: one whose node says that a device writes it, and not that one reads it, is refused.
fn expect_read(region: &Region) -> Result<()> {
    const SHARED: u32 = REGION_DEVICE_WRITES | REGION_DEVICE_READS;
    match region.device().info().flags & SHARED {
        REGION_DEVICE_WRITES => Err(Error::new(
            ExitCode::Target,
            "no ring that a device reads",
            region.name(),
            Errno::EOPNOTSUPP,
            "its node says 'device-writes' alone: the device fills it; of one that reads it, say 'device-reads'",
        )),
        _ => Ok(()),
    }
}

/// What to play again and again in the place of `lap` bytes.
fn lap_advice(lap: u64, block: u64) -> String {
    let whole = lap - lap % block;
    let what = format!("what is played again and again has to be whole blocks of {block} bytes");
    match whole {
        0 => format!("{what}, and these are {lap} bytes"),
        _ => format!("{what}: give --length {whole}"),
    }
}

/// Bytes of `range` that the recording calls suspect.
fn suspect(saved: &Saved, range: &Range<u64>) -> u64 {
    let pieces = saved.pieces(range);
    let suspect = pieces.iter().filter(|piece| piece.suspect);
    suspect.map(|piece| piece.to - piece.from).sum()
}

/// What is locked stays so as long as the file is open, which its owner sees to.
fn alone(
    locked: std::result::Result<(), TryLockError>,
    what: &str,
    busy: &dyn Fn(&str) -> Error,
) -> Result<()> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(busy(what)),
        // Where there are no locks.
        Err(TryLockError::Error(error)) => {
            log::warn!("{what}: cannot be locked, so two runs may play at once: {error}");
            Ok(())
        }
    }
}

/// A recording that can be read as its indexes say.
fn open(folder: &Path) -> Result<Saved> {
    let name = folder.display();
    let saved = recording::open(folder)?;
    for (number, run) in &saved.runs {
        match saved.fault(run) {
            None => {}
            Some(Fault::NotEnded) => {
                log::warn!(
                    "{name}: run {number:06} was not ended: what its index proves is played"
                );
            }
            Some(fault) => return Err(recording::told(folder, *number, &fault)),
        }
    }
    Ok(saved)
}

/// What places and lengths have to be a multiple of for direct I/O.
fn block(tape: &mut Tape, folder: &str) -> Result<u64> {
    let cannot =
        |error: io::Error| Error::during(Doing::OpenSource, "no direct I/O", folder, &error);
    let Some(segment) = tape.first().map_err(cannot)? else {
        return Ok(512);
    };
    let alignment = output::alignment(segment, Kind::File).map_err(|errno| cannot(errno.into()))?;
    Ok(alignment.memory.max(alignment.offset).max(512).into())
}

fn limits(args: &Args, position: &RingPosition, block: u64) -> Limits {
    Limits {
        ring: ring(position),
        patience: patience(position),
        chunk: chunk(position, args.chunk, block),
        block,
        ahead: args.ahead,
    }
}

fn odd(what: &str, advice: impl Into<String>) -> Error {
    Error::new(
        ExitCode::Range,
        "cannot be played",
        what,
        Errno::EINVAL,
        advice,
    )
}

fn refused(refusal: &Refusal, region: &str) -> Error {
    match refusal {
        Refusal::Position(errno) => {
            Error::during(Doing::Position, "cannot read the position", region, *errno)
        }
        Refusal::Flaw(flaw) => {
            let what = match flaw {
                Flaw::Chunk => "--chunk",
                Flaw::Ahead => "--ahead",
                Flaw::Ring | Flaw::Block => "ring",
            };
            odd(what, flaw.to_string())
        }
    }
}
