// SPDX-License-Identifier: MIT

//! What may be recorded, and how.

use std::{fs::File, time::Duration};

use nix::errno::Errno;
use resdump_format::recording::{layout::Gaps, planner::Flaw, proof::Ring};
use resmem::abi::{CHUNK_MAX, POSITION_BOUNDED, RingPosition};

use super::Args;
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::{self, Kind},
    recorder::{Limits, Refusal},
    sys,
};

/// Bytes of a segment where there is room.
const SEGMENT: u64 = 1 << 30;

/// From a trigger to the first write.
const LATENCY: Duration = Duration::from_millis(20);

/// What the command line and the ring give.
pub(super) fn limits(args: &Args, position: &RingPosition) -> Result<Limits> {
    let block = block(args)?;
    let quarter = (position.ring / 4).min(4 << 20);
    let chunk = args.chunk.map_or(quarter - quarter % block, u64::from);
    let most = pre_max(position, chunk);
    if args.pre > most {
        return Err(Error::new(
            ExitCode::Range,
            "cannot be recorded",
            "--pre",
            Errno::EINVAL,
            format!(
                "the ring has room for {most} bytes before a trigger, beside a chunk, lead and lag"
            ),
        ));
    }
    Ok(Limits {
        ring: Ring {
            size: position.ring,
            lead: position.lead,
            lag: position.lag,
        },
        max_rate: position.max_rate,
        bounded: position.flags & POSITION_BOUNDED != 0,
        patience: (position.patience != 0).then(|| Duration::from_nanos(position.patience)),
        history: match (args.lap, args.post) {
            (true, _) => position.ring,
            (_, Some(_)) => args.pre,
            (_, None) => args.history,
        },
        post: args.post,
        chunk: chunk.min(CHUNK_MAX.into()),
        depth: args.depth as usize,
        block,
        segment: match args.segment {
            Some(segment) => segment,
            None => segment(args, chunk)?,
        },
        gaps: match args.gaps.as_str() {
            "skip" => Gaps::Skip,
            "stop" => Gaps::Stop,
            _ => Gaps::Hole,
        },
        max_size: args.max_size,
        keep_free: args.keep_free,
        duration: args.duration.map(Duration::from_secs),
        checkpoint: Duration::from_secs(args.checkpoint),
    })
}

/// Bytes that can be kept before a trigger: the ring without what the device may overwrite until they are read, which
/// is a chunk and what it writes in [`LATENCY`].
fn pre_max(position: &RingPosition, chunk: u64) -> u64 {
    let meanwhile = u128::from(position.max_rate) * LATENCY.as_millis() / 1000;
    let used = [position.lead, position.lag, chunk]
        .iter()
        .fold(meanwhile, |sum, bytes| sum + u128::from(*bytes));
    position
        .ring
        .saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
}

/// Bytes of a segment: whole chunks, so that two segments and more fit into a small file system.
fn segment(args: &Args, chunk: u64) -> Result<u64> {
    let free = File::open(&args.folder)
        .map_err(|error| errno_of(&error))
        .and_then(|folder| sys::file::available(&folder))
        .map_err(|errno| {
            let folder = args.folder.display();
            Error::during(Doing::OpenTarget, "cannot inspect target", folder, errno)
        })?;
    let most = (free / 8).min(SEGMENT);
    Ok((most - most % chunk.max(1)).max(chunk))
}

/// What direct I/O in the folder wants: asked of a file that is made there.
fn block(args: &Args) -> Result<u64> {
    let failed = |what, error: &std::io::Error| {
        Error::during(Doing::OpenTarget, what, args.folder.display(), error)
    };
    std::fs::create_dir_all(&args.folder)
        .map_err(|error| failed("cannot make the folder", &error))?;
    let probe = tempfile::tempfile_in(&args.folder)
        .map_err(|error| failed("cannot make a file", &error))?;
    if output::is_in_memory(&probe) {
        let advice = "it is in memory (tmpfs, ramfs): a recording would take that until none is left, and not survive: \
                      give a folder on a disk";
        return Err(Error::new(
            ExitCode::Target,
            "cannot be recorded",
            format_args!("{} to {}", args.region, args.folder.display()),
            Errno::EOPNOTSUPP,
            advice,
        ));
    }
    let alignment = output::alignment(&probe, Kind::File)
        .map_err(|errno| failed("no direct I/O", &errno.into()))?;
    Ok(alignment.memory.max(alignment.offset).max(512).into())
}

/// Why a recording was not begun.
pub(super) fn refused(refusal: &Refusal, folder: &str) -> Error {
    match refusal {
        Refusal::System(what, errno) => Error::during(Doing::OpenTarget, what, folder, *errno),
        Refusal::Flaw(flaw) => {
            let what = match flaw {
                Flaw::Segment => "--segment",
                Flaw::Chunk => "--chunk",
                Flaw::Ring | Flaw::Block => "ring",
            };
            Error::new(
                ExitCode::Range,
                "cannot be recorded",
                what,
                Errno::EINVAL,
                flaw.to_string(),
            )
        }
    }
}
