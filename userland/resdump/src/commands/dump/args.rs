// SPDX-License-Identifier: MIT

//! Arguments of `dump`.

use std::{path::PathBuf, time::Duration};

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use nix::errno::Errno;
use resmem_abi::abi::{CHUNK_DEFAULT, DEPTH_DEFAULT, DEPTH_MAX};

use super::super::input::TakeArgs;
use crate::{
    codec::compression::Compression,
    codec::digest::Algorithm,
    codec::format::Format,
    engine::{Name, Settings},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest,
    output::{Kind, Output, Permit, Place},
    size,
};

/// Arguments of `dump`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file
    pub(in crate::commands) region: String,

    /// File (made if there is none), block device, '-' or tcp:HOST:PORT
    pub(super) target: PathBuf,

    /// How the bytes move
    #[arg(long, value_enum, default_value = "auto")]
    pub(in crate::commands) engine: Name,

    /// Refuse to copy: fail unless every byte goes by direct I/O
    #[arg(long)]
    pub(in crate::commands) strict: bool,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    pub(in crate::commands) offset: u64,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    pub(in crate::commands) length: Option<u64>,

    /// Where the first byte goes to in the target; a file keeps what is before
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    pub(super) seek: u64,

    /// Bytes a request [default: 4 MiB]
    #[arg(long, value_name = "BYTES", value_parser = size::parse_chunk)]
    pub(super) chunk: Option<u32>,

    /// Requests in flight [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX as i64))]
    pub(super) depth: Option<u32>,

    /// Engine mmap: write from a mapping, also where pages can be registered with io_uring
    #[arg(long)]
    pub(super) mapped: bool,

    /// Layout of the target: raw, or elf (a core file)
    #[arg(long, value_name = "FORMAT", default_value = "raw", hide_default_value = true, hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["raw", "elf"]).map(format_named))]
    pub(super) format: Format,

    /// Compress: it costs the CPU all that direct I/O saves
    #[arg(long, value_enum, value_name = "METHOD")]
    pub(super) compress: Option<Compression>,

    /// Digest of the region's bytes, computed meanwhile
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    pub(super) digest: Option<Algorithm>,

    /// Read the target back and compare, with the digest if there is one
    #[arg(long)]
    pub(super) verify: bool,

    /// Go on with a dump that was interrupted, as its manifest says
    #[arg(long)]
    pub(in crate::commands) resume: bool,

    /// Seconds between two checkpoints of the manifest
    #[arg(long, value_name = "SECONDS", default_value = "10",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) checkpoint: u64,

    /// Where the manifest goes to [default: TARGET.json beside a file]
    #[arg(long, value_name = "PATH")]
    pub(super) manifest: Option<PathBuf>,

    /// No manifest, so no --resume either
    #[arg(long, conflicts_with_all = ["manifest", "resume"])]
    pub(super) no_manifest: bool,

    /// Overwrite a file that is not empty, or a device that is in use
    #[arg(long)]
    pub(super) force: bool,

    /// Write what fits, in whole blocks, when there is not enough room
    #[arg(long)]
    pub(super) partial: bool,

    /// Leave that much of the target's file system free
    #[arg(long, value_name = "BYTES", default_value = "0", hide_default_value = true,
          value_parser = size::parse)]
    pub(super) keep_free: u64,

    /// Write no more than that
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    pub(super) max_size: Option<u64>,

    /// Leave holes in a file for blocks of 64 KiB that are zero
    #[arg(long)]
    pub(super) zero_skip: bool,

    /// Do not wait until the data is durable; there is no manifest then
    #[arg(long, conflicts_with_all = ["manifest", "resume"])]
    pub(super) no_sync: bool,

    #[command(flatten)]
    pub(super) take: TakeArgs,

    /// To tcp: longest silence of the receiver
    #[arg(long, value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u64).range(3..=1_000_000))]
    pub(super) timeout: u64,

    /// No progress, no final line
    #[arg(short, long)]
    pub(super) quiet: bool,
}

fn format_named(name: String) -> Format {
    match name.as_str() {
        "elf" => Format::Elf,
        _ => Format::Raw,
    }
}

impl Args {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            chunk: self.chunk.unwrap_or(CHUNK_DEFAULT),
            depth: self.depth.unwrap_or(DEPTH_DEFAULT),
            mapped: self.mapped,
        }
    }

    pub(super) fn period(&self) -> Duration {
        Duration::from_secs(self.checkpoint)
    }

    pub(super) fn permit(&self) -> Permit {
        Permit {
            force: self.force,
            partial: self.partial,
            resume: self.resume,
        }
    }

    /// Whether standard output is the target.
    pub fn writes_to_standard_output(&self) -> bool {
        matches!(self.place(), Ok(Some(Place::Output)))
    }

    /// The stream that the target names, if it does.
    pub(super) fn place(&self) -> Result<Option<Place>> {
        Place::of(&self.target)
    }

    /// Refuses what does not go together.
    pub(in crate::commands) fn check(&self) -> Result<()> {
        let stream = self.place()?.is_some();
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
            (self.resume, "--resume"),
            (self.verify && stream, "--verify"),
            (self.zero_skip, "--zero-skip"),
            (self.seek > 0, "--seek"),
            (self.manifest.is_some() && stream, "--manifest"),
            (self.format != Format::Raw, "--format"),
            (self.strict && self.compress.is_some(), "--strict"),
            (self.partial, "--partial"),
            (self.keep_free > 0, "--keep-free"),
            (self.max_size.is_some(), "--max-size"),
            (self.engine != Name::Auto, "--engine"),
            (self.chunk.is_some(), "--chunk"),
            (self.depth.is_some(), "--depth"),
            (self.mapped, "--mapped"),
        ];
        match flags.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::new(ExitCode::Usage, what, flag, errno, advice)),
            None => Ok(()),
        }
    }

    /// Whether there is to be a manifest.
    pub(super) fn has_manifest(&self, kind: Kind) -> bool {
        !self.no_manifest && !self.no_sync && (self.manifest.is_some() || kind == Kind::File)
    }

    /// Where the manifest goes to, if there is to be one.
    pub(super) fn manifest(&self, target: &Output) -> Option<PathBuf> {
        match (&self.manifest, target.kind()) {
            _ if self.no_manifest || self.no_sync => None,
            (Some(path), _) => Some(path.clone()),
            (None, Kind::File) => Some(manifest::beside(target.lasting_path())),
            (None, Kind::Block | Kind::Stream) => None,
        }
    }
}
