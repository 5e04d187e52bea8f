// SPDX-License-Identifier: MIT

//! Arguments of `dump`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use nix::errno::Errno;
use resmem::abi::DEPTH_MAX;

use super::{
    super::input::TakeArgs,
    job::{Job, Sidecar},
};
use crate::{
    codec::compression::Compression,
    codec::digest::Algorithm,
    codec::format::Format,
    engine::Name,
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::PERIOD,
    output::{Permit, Place},
    size,
    source::{DIRECTORY, labels},
    template,
};

/// Of a receiver: the longest that is waited for.
const SILENCE: Duration = Duration::from_secs(60);

/// Arguments of `dump`.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file; several into one ELF or LiME file
    #[arg(num_args = 0.., required_unless_present = "all")]
    region: Vec<OsString>,

    /// File (made if there is none; %label, %n, %Y ... are filled in), block device, '-' or tcp:HOST:PORT
    target: PathBuf,

    /// All regions, into one ELF or LiME file
    #[arg(
        long,
        conflicts_with = "region",
        num_args = 0,
        default_missing_value = "true"
    )]
    all: Option<bool>,

    // No `default_value` here, and no flag that is `bool` and so has one: clap takes 6,000 instructions to set it.
    /// How the bytes move [default: auto]
    #[arg(long, value_enum)]
    engine: Option<Name>,

    /// Refuse to copy: fail unless every byte goes by direct I/O
    #[arg(long, num_args = 0, default_missing_value = "true")]
    strict: Option<bool>,

    /// First byte, from the start of the region: 4096, 0x1000, 4K [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    offset: Option<u64>,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Where the first byte goes to in the target; a file keeps what is before [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    seek: Option<u64>,

    /// Bytes a request [default: as the disk likes it, 4 to 16 MiB]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    chunk: Option<u32>,

    /// Requests in flight [default: as the disk likes it, up to 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX as i64))]
    depth: Option<u32>,

    /// Let the disk take requests as large as its hardware can, until the dump ends
    #[arg(long, num_args = 0, default_missing_value = "true")]
    tune: Option<bool>,

    /// Engine mmap: write from a mapping, also where pages can be registered with io_uring
    #[arg(long, num_args = 0, default_missing_value = "true")]
    mapped: Option<bool>,

    /// Layout of the target: raw, elf (a core file), lime [default: raw; elf of several regions]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,

    /// Compress: it costs the CPU all that direct I/O saves
    #[arg(long, value_enum, value_name = "METHOD")]
    compress: Option<Compression>,

    /// Digest of the region's bytes, computed meanwhile
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    digest: Option<Algorithm>,

    /// Read the target back and compare, with the digest if there is one
    #[arg(long, num_args = 0, default_missing_value = "true")]
    verify: Option<bool>,

    /// Resume a dump that was interrupted, as its manifest says
    #[arg(long, num_args = 0, default_missing_value = "true")]
    resume: Option<bool>,

    /// Seconds between two checkpoints of the manifest [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint: Option<u64>,

    /// Where the manifest goes to [default: TARGET.json next to a file]
    #[arg(long, value_name = "PATH")]
    manifest: Option<PathBuf>,

    /// No manifest, so no --resume either
    #[arg(long, conflicts_with_all = ["manifest", "resume"], num_args = 0, default_missing_value = "true")]
    no_manifest: Option<bool>,

    /// Overwrite a file that is not empty, or a device that is in use
    #[arg(long, num_args = 0, default_missing_value = "true")]
    force: Option<bool>,

    /// Write what fits, in whole blocks, when there is not enough room
    #[arg(long, num_args = 0, default_missing_value = "true")]
    partial: Option<bool>,

    /// Leave that much of the target's file system free
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    keep_free: Option<u64>,

    /// Write no more than that
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_size: Option<u64>,

    /// Leave holes in a file for blocks of 64 KiB that are zero
    #[arg(long, num_args = 0, default_missing_value = "true")]
    zero_skip: Option<bool>,

    /// Do not wait until the data is durable; there is no manifest then
    #[arg(long, conflicts_with_all = ["manifest", "resume"], num_args = 0, default_missing_value = "true")]
    no_sync: Option<bool>,

    #[command(flatten)]
    take: TakeArgs,

    /// To tcp: longest silence of the receiver [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(3..=1_000_000))]
    timeout: Option<u64>,

    /// No progress, no final line
    #[arg(short, long, num_args = 0, default_missing_value = "true")]
    quiet: Option<bool>,
}

impl Args {
    /// The regions that are named.
    pub(in crate::commands) fn regions(&self) -> Vec<OsString> {
        match self.all.is_some() {
            true => labels(DIRECTORY.as_ref()),
            false => self.region.clone(),
        }
    }

    /// Whether they become ranges of one file.
    pub(super) fn is_several(&self) -> bool {
        self.all.is_some() || self.region.len() > 1
    }

    /// Refuses what is for one region only.
    pub(super) fn check_several(&self) -> Result<()> {
        let flags = [
            (self.offset > Some(0), "--offset"),
            (self.length.is_some(), "--length"),
            (self.format == Some(Format::Raw), "--format raw"),
            (self.seek > Some(0), "--seek"),
            (self.resume.is_some(), "--resume"),
            (self.compress.is_some(), "--compress"),
            (self.partial.is_some(), "--partial"),
            (self.keep_free > Some(0), "--keep-free"),
            (self.max_size.is_some(), "--max-size"),
            (self.zero_skip.is_some(), "--zero-skip"),
            (!matches!(Place::of(&self.target), Ok(None)), "TARGET"),
        ];
        match flags.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::new(
                ExitCode::Usage,
                "not for several regions",
                flag,
                Errno::EINVAL,
                "dump them one by one to files or devices, 'resdump convert' puts them together",
            )),
            None => Ok(()),
        }
    }

    /// How that is read.
    pub(in crate::commands) fn take(&self) -> &TakeArgs {
        &self.take
    }

    /// Whether standard output is the target.
    pub fn writes_to_standard_output(&self) -> bool {
        matches!(Place::of(&self.target), Ok(Some(Place::Output)))
    }

    /// What is to be done, if it goes together.
    pub(in crate::commands) fn job(&self) -> Result<Job> {
        let place = Place::of(&self.target)?;
        self.check(place.is_some())?;
        Ok(Job {
            offset: self.offset.unwrap_or(0),
            length: self.length,
            manifest: match &self.manifest {
                _ if self.no_manifest.is_some() || self.no_sync.is_some() => Sidecar::None,
                Some(path) => Sidecar::At(path.clone()),
                None => Sidecar::Beside,
            },
            target: self.target.clone(),
            place,
            engine: self.engine.unwrap_or(Name::Auto),
            chunk: self.chunk,
            depth: self.depth,
            mapped: self.mapped.is_some(),
            tune: self.tune.is_some(),
            strict: self.strict.is_some(),
            seek: self.seek.unwrap_or(0),
            format: self.format.unwrap_or(match self.is_several() {
                true => Format::Elf,
                false => Format::Raw,
            }),
            compress: self.compress,
            digest: self.digest,
            verify: self.verify.is_some(),
            period: self.checkpoint.map_or(PERIOD, Duration::from_secs),
            permit: Permit {
                force: self.force.is_some(),
                partial: self.partial.is_some(),
                resume: self.resume.is_some(),
            },
            keep_free: self.keep_free.unwrap_or(0),
            max_size: self.max_size,
            zero_skip: self.zero_skip.is_some(),
            timeout: self.timeout.map_or(SILENCE, Duration::from_secs),
            sync: self.no_sync.is_none(),
            quiet: self.quiet.is_some(),
        })
    }

    /// Refuses what does not go together.
    fn check(&self, stream: bool) -> Result<()> {
        if self.resume.is_some() && !stream && template::is_numbered(&self.target) {
            return Err(Error::new(
                ExitCode::Usage,
                "not with a number",
                "--resume",
                Errno::EINVAL,
                "%n is a new name each time: give the name of the dump itself",
            ));
        }
        let (what, errno, advice) = match (stream, self.compress.is_some()) {
            (true, _) => (
                "not for a stream",
                Errno::ESPIPE,
                "leave it out, or dump to a file or device",
            ),
            (false, true) => (
                "not for a compressed file",
                Errno::EINVAL,
                "leave it out, or --compress",
            ),
            (false, false) => return Ok(()),
        };
        let flags = [
            (self.resume.is_some(), "--resume"),
            (self.verify.is_some() && stream, "--verify"),
            (self.zero_skip.is_some(), "--zero-skip"),
            (self.seek > Some(0), "--seek"),
            (self.manifest.is_some() && stream, "--manifest"),
            (
                self.format.unwrap_or(Format::Raw) != Format::Raw,
                "--format",
            ),
            (self.strict.is_some() && self.compress.is_some(), "--strict"),
            (self.partial.is_some(), "--partial"),
            (self.keep_free > Some(0), "--keep-free"),
            (self.max_size.is_some(), "--max-size"),
            (self.engine.is_some_and(|it| it != Name::Auto), "--engine"),
            (self.chunk.is_some(), "--chunk"),
            (self.depth.is_some(), "--depth"),
            (self.mapped.is_some(), "--mapped"),
            (self.tune.is_some(), "--tune"),
        ];
        match flags.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::new(ExitCode::Usage, what, flag, errno, advice)),
            None => Ok(()),
        }
    }
}
