// SPDX-License-Identifier: MIT

//! What may be recorded, and how.

use std::{fs::File, path::Path, time::Duration};

use nix::errno::Errno;
use resdump_format::recording::{layout::Gaps, planner::Flaw, proof::Ring};
use resmem::abi::{
    CHUNK_MAX, POSITION_BOUNDED, REGION_DEVICE_READS, REGION_DEVICE_WRITES, RingPosition,
};

use super::Args;
use crate::{
    advice::Doing,
    devicetree::{self, TREE},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::{self, Kind},
    recorder::{self, Folder, Keep, Limits, Refusal, Scratch},
    source::{Region, Source},
    sys, text,
};

/// Bytes of a write where a ring or a file system is small.
const SHORT: u64 = 4 << 20;

/// Bytes of a segment where there is room.
const SEGMENT: u64 = 1 << 30;

/// Bytes of an index that is written again: some minutes of checkpoints.
const INDEX: u64 = 1 << 20;

/// From a trigger to the first write.
const LATENCY: Duration = Duration::from_millis(20);

/// Where the device of `region` is, and what its node declares.
pub(in crate::commands) fn position(region: &Region) -> Result<RingPosition> {
    if !region.device().has_position() {
        return Err(Error::new(
            ExitCode::Engine,
            "region has no position",
            region.name(),
            Errno::EOPNOTSUPP,
            "say in the device tree where its device's position is: resdump,position-kind and the rest of the \
             binding",
        ));
    }
    region.device().position().map_err(|error| {
        Error::during(
            Doing::Position,
            "cannot read the position",
            region.name(),
            &error,
        )
    })
}

/// A ring that a device fills: one whose node says that a device reads it, and not that one writes it, is refused.
pub(super) fn expect_filled(region: &Region) -> Result<()> {
    const SHARED: u32 = REGION_DEVICE_WRITES | REGION_DEVICE_READS;
    match region.device().info().flags & SHARED {
        REGION_DEVICE_READS => Err(Error::new(
            ExitCode::Engine,
            "no ring that a device fills",
            region.name(),
            Errno::EOPNOTSUPP,
            "its node says 'device-reads' alone: 'resdump play' fills it; of a device that writes it, say 'device-writes'",
        )),
        _ => Ok(()),
    }
}

/// What the node of `region` declares, wherever its device is: of a ring whose program has not said where that is, the
/// device tree is asked.
pub(in crate::commands) fn declared(region: &Region) -> Result<RingPosition> {
    match position(region) {
        Err(error) if error.errno == Errno::ENODATA => {
            let says = |name| devicetree::number_at(Path::new(TREE), region.base(), name);
            Ok(RingPosition {
                ring: region.size(),
                lead: says("resdump,lead-bytes"),
                lag: says("resdump,lag-bytes"),
                max_rate: says("resdump,max-rate"),
                ..RingPosition::default()
            })
        }
        answer => answer,
    }
}

/// What the command line and the ring give.
pub(super) fn limits(args: &Args, region: &Region, position: &RingPosition) -> Result<Limits> {
    let plain = plain(region, &args.folder, position, args.chunk, args.depth)?;
    let (most, place) = match args.keep {
        Some(keep) => (keep, "--keep leaves"),
        None => (
            pre_max(position, plain.chunk),
            "beside a chunk, lead and lag the ring has",
        ),
    };
    if args.pre.is_some_and(|pre| pre > most) {
        return Err(Error::new(
            ExitCode::Range,
            "cannot be recorded",
            "--pre",
            Errno::EINVAL,
            format!("{place} room for {most} bytes before a trigger"),
        ));
    }
    let keep = args.keep.map(|last| Keep {
        last,
        around: args.post.map(|post| (args.pre.unwrap_or(last), post)),
        index: INDEX,
    });
    // A few segments, so that not much more is kept than was asked for.
    let of_keep = |keep: u64| whole((keep / 4).min(plain.segment), plain.chunk);
    let segment = args.keep.map_or(plain.segment, of_keep);
    Ok(Limits {
        history: match (args.lap, args.post.filter(|_| keep.is_none())) {
            (true, _) => position.ring,
            (_, Some(_)) => args.pre.unwrap_or(0),
            (_, None) => args.history,
        },
        since: None,
        post: args.post.filter(|_| keep.is_none()),
        keep,
        segment: args.segment.unwrap_or(segment),
        gaps: match args.gaps.as_str() {
            "skip" => Gaps::Skip,
            "stop" => Gaps::Stop,
            _ => Gaps::Hole,
        },
        max_size: args.max_size,
        keep_free: args.keep_free,
        duration: args.duration.map(Duration::from_secs),
        checkpoint: Duration::from_secs(args.checkpoint),
        ..plain
    })
}

/// What the ring gives, and the disk that `folder` is on, which is there: a recording without an end.
pub(in crate::commands) fn plain(
    region: &Region,
    folder: &Path,
    position: &RingPosition,
    chunk: Option<u32>,
    depth: u32,
) -> Result<Limits> {
    let block = block(region.name(), folder)?;
    if !region.base().is_multiple_of(block) {
        return Err(Error::new(
            ExitCode::Range,
            "cannot be recorded",
            region.name(),
            Errno::EINVAL,
            format!("direct I/O there takes memory at multiples of {block} bytes"),
        ));
    }
    let chunk = self::chunk(position, chunk, block);
    Ok(Limits {
        ring: ring(position),
        max_rate: position.max_rate,
        bounded: position.flags & POSITION_BOUNDED != 0,
        patience: patience(position),
        history: 0,
        chunk,
        depth: depth as usize,
        block,
        segment: segment(folder, chunk)?,
        gaps: Gaps::Hole,
        max_size: None,
        keep_free: 0,
        duration: None,
        checkpoint: Duration::from_secs(1),
        keep: None,
        since: None,
        post: None,
    })
}

/// The ring, and what its device promises.
pub(in crate::commands) fn ring(position: &RingPosition) -> Ring {
    Ring {
        size: position.ring,
        lead: position.lead,
        lag: position.lag,
    }
}

/// Time within which the device is to be looked at again.
pub(in crate::commands) fn patience(position: &RingPosition) -> Option<Duration> {
    (position.patience != 0).then(|| Duration::from_nanos(position.patience))
}

/// Bytes that are moved at a time: `asked`, or what is usual, as far as that is not too long.
pub(in crate::commands) fn chunk(position: &RingPosition, asked: Option<u32>, block: u64) -> u64 {
    let chunk = asked.map_or(usual_chunk(position.ring, block).max(block), u64::from);
    chunk.min(CHUNK_MAX.into())
}

/// In whole blocks, and small beside the ring: what a write costs, it costs whatever its size, and two of them are what a
/// stall of the disk cannot use of the ring.
fn usual_chunk(ring: u64, block: u64) -> u64 {
    let least = (ring / 4).min(SHORT);
    let chunk = (ring / 16).clamp(least, 16 << 20);
    chunk - chunk % block
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

/// Bytes of a segment, so that two segments and more fit into a small file system.
fn segment(folder: &Path, chunk: u64) -> Result<u64> {
    Ok(whole((available(folder)? / 8).min(SEGMENT), chunk))
}

/// `bytes` in whole chunks, or in units of [`SHORT`] where that is less than one of them: a write may end with its segment.
fn whole(bytes: u64, chunk: u64) -> u64 {
    let unit = match bytes < chunk {
        true => chunk.min(SHORT),
        false => chunk.max(1),
    };
    (bytes - bytes % unit).max(unit)
}

/// A folder of its own in `folder`, for a device that is played.
pub(in crate::commands) fn scratch(folder: &Path) -> Result<Scratch> {
    Scratch::new(folder).map_err(|error| {
        let folder = text::name(folder);
        Error::during(
            Doing::OpenFolder,
            "cannot make a folder in it",
            folder,
            &error,
        )
    })
}

/// Bytes that the file system of `folder` has left.
pub(super) fn available(folder: &Path) -> Result<u64> {
    File::open(folder)
        .map_err(|error| errno_of(&error))
        .and_then(|folder| sys::file::available(&folder))
        .map_err(|errno| {
            let folder = text::name(folder);
            Error::during(
                Doing::OpenFolder,
                "cannot inspect the folder",
                folder,
                errno,
            )
        })
}

/// Makes the folder to record into. What was made goes with the result, unless it holds something then.
pub(in crate::commands) fn make(folder: &Path) -> Result<Folder> {
    Folder::make(folder).map_err(|error| {
        let folder = text::name(folder);
        Error::during(Doing::OpenFolder, "cannot make the folder", folder, &error)
    })
}

/// What direct I/O in the folder wants: asked of a file that is made there.
fn block(region: &str, folder: &Path) -> Result<u64> {
    let failed = |what, error: &std::io::Error| {
        Error::during(Doing::OpenFolder, what, text::name(folder), error)
    };
    let probe =
        tempfile::tempfile_in(folder).map_err(|error| failed("cannot make a file", &error))?;
    if output::is_in_memory(&probe) {
        let advice = "it is in memory (tmpfs, ramfs): a recording would take that until none is left, and not survive: \
                      give a folder on a disk";
        return Err(Error::new(
            ExitCode::Target,
            "cannot be recorded",
            format_args!("{region} to {}", folder.display()),
            Errno::EOPNOTSUPP,
            advice,
        ));
    }
    let alignment = output::alignment(&probe, Kind::File)
        .map_err(|errno| failed("no direct I/O", &errno.into()))?;
    Ok(alignment.memory.max(alignment.offset).max(512).into())
}

/// Why a recording of `region` to `folder` was not begun.
pub(in crate::commands) fn refused(refusal: &Refusal, region: &str, folder: &Path) -> Error {
    let folder = text::name(folder);
    match refusal {
        Refusal::System(what, errno) if recorder::is_of_ring(what) => {
            Error::during(Doing::Position, what, region, *errno)
        }
        Refusal::System(what, errno) => Error::during(Doing::OpenFolder, what, folder, *errno),
        Refusal::Foreign(name) => Error::new(
            ExitCode::Target,
            "not the index of a recording",
            format!("{folder}/{name}"),
            Errno::EBADMSG,
            "it was damaged, or another program made it: give another folder, or move it away",
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_no_longer_than_a_small_file_system_has_room_for() {
        let mib = |bytes: u64| bytes << 20;
        for (bytes, chunk, segment) in [
            (mib(1024), mib(16), mib(1024)),
            (mib(40), mib(16), mib(32)),
            (mib(15), mib(16), mib(12)),
            (mib(1), mib(16), mib(4)),
            (mib(1), mib(2), mib(2)),
            (0, 4096, 4096),
        ] {
            assert_eq!(whole(bytes, chunk), segment, "{bytes} {chunk}");
        }
    }

    #[test]
    fn a_write_is_a_small_part_of_a_large_ring() {
        let mib = |bytes: u64| bytes << 20;
        for (ring, chunk) in [
            (mib(1), mib(1) / 4),
            (mib(16), mib(4)),
            (mib(64), mib(4)),
            (mib(128), mib(8)),
            (mib(256), mib(16)),
            (mib(4096), mib(16)),
            (mib(1) + 512, (mib(1) / 4) - mib(1) / 4 % 4096),
        ] {
            assert_eq!(usual_chunk(ring, 4096), chunk, "{ring}");
        }
    }
}
