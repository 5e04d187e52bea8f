// SPDX-License-Identifier: MIT

//! A file or block device that was saved from a region, in any format, by this program or another.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use object::Endianness;

use super::{Extent, Fault, Medium, Place, Source, medium::Stamp};
use crate::{
    advice::Doing,
    codec::{
        compression::Compression,
        digest::Digest,
        format::{Format, Range, machine::Machine},
    },
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::Manifest,
    output::Identity,
    span::Span,
    system::System,
};

/// How a saved dump is to be read.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// Where its manifest is; next to it, if that is not said.
    pub manifest: Option<PathBuf>,
    /// Take what is there of a dump that is not complete.
    pub incomplete: bool,
    /// Take all of the file as it is, whatever its first bytes or its manifest say.
    pub raw: bool,
    /// Whether the user can choose between these.
    pub has_options: bool,
}

/// A saved dump. Its source are the bytes that were in memory, without headers: one range after the
/// other.
#[derive(Debug)]
pub struct Saved {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) file: File,
    pub(super) medium: Medium,
    /// Bytes of the file or device.
    pub(super) size: u64,
    pub(super) format: Format,
    /// Each with at least one byte in the file, unless it is compressed. None only where there is a
    /// fault.
    pub(super) ranges: Vec<Range>,
    pub(super) compression: Option<Compression>,
    pub(super) machine: Option<Machine>,
    pub(super) manifest: Option<Manifest>,
    /// Where that is, or would be.
    pub(super) manifests: Vec<PathBuf>,
    /// Why it is not complete.
    pub(super) fault: Option<Fault>,
    /// How it is read.
    pub(super) how: How,
    /// Where it ends, by its headers.
    pub(super) end: u64,
    /// Of the file, when it was opened.
    pub(super) stamp: Option<Stamp>,
}

impl Saved {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is kept in.
    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// Bytes of the file or device.
    pub fn file_size(&self) -> u64 {
        self.size
    }

    /// Layout of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The runs of memory in it. Of a compressed file `at` means nothing, and the length is the
    /// manifest's, or 0 if there is none.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// How it is compressed: its bytes can be read from its start only, by
    /// [`crate::readback::ReadBack`].
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Its manifest, if it has one that can be read.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The digest that its bytes should have: of all of them, as they are read.
    pub fn digest(&self) -> Option<&Digest> {
        self.manifest
            .as_ref()
            .filter(|it| !self.how.raw && self.fault.is_none() && it.bytes == it.origin.length)?
            .digest
            .as_ref()
    }

    /// Why it is not complete, if it is not.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Whether what is there of it is taken, if that is not all.
    pub fn takes_incomplete(&self) -> bool {
        self.how.incomplete
    }

    /// Why it is longer than its headers say, if it is a file and has no manifest that would say it.
    pub fn excess(&self) -> Option<Error> {
        let is_longer = self.medium == Medium::File && self.size > self.end;
        is_longer.then(|| Fault::too_long(&self.name, self.size, self.end).error)
    }

    /// Bytes that its headers or its manifest promise.
    pub fn promised(&self) -> u64 {
        let ranges = self.ranges.iter();
        let sum = ranges.fold(0u64, |sum, range| sum.saturating_add(range.length));
        match &self.manifest {
            Some(manifest) => sum.max(manifest.origin.length),
            None => sum,
        }
    }

    /// Fails for a compressed file: its bytes are not where they are wanted.
    pub fn refuse_packed(&self) -> Result<()> {
        match self.compression {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ExitCode::NoRegion,
                "file is compressed",
                &self.name,
                Errno::EINVAL,
                "unpack it first, with 'resdump convert FILE NEW --to raw'",
            )),
        }
    }
}

impl Saved {
    /// Whether another run has taken it, to write to it.
    pub(super) fn is_being_written(&self) -> bool {
        match self.file.try_lock_shared() {
            Ok(()) => {
                let _ = self.file.unlock();
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }
}

impl Source for Saved {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.ranges.iter().map(|range| range.stored).sum()
    }

    fn file(&self) -> &File {
        &self.file
    }

    fn identities(&self) -> Vec<Identity> {
        let manifests = self.manifests.iter().map(|path| Identity::named(path));
        std::iter::once(Identity::of_input(&self.file))
            .chain(manifests)
            .flatten()
            .collect()
    }

    fn start(&self) -> u64 {
        self.ranges.first().map_or(0, |range| range.at)
    }

    fn base(&self) -> Option<u64> {
        self.ranges.first()?.base
    }

    fn extents(&self) -> Vec<Extent> {
        let mut offset = 0;
        let extent = |range: &Range| {
            let extent = Extent {
                offset,
                length: range.stored,
                base: range.base,
            };
            offset += range.stored;
            extent
        };
        self.ranges.iter().map(extent).collect()
    }

    fn place(&self) -> Place {
        let one = self.manifest.as_ref().filter(|it| it.ranges.is_empty());
        let is_known = self.format != Format::Raw || one.is_some();
        Place {
            extents: self.extents(),
            within: one.map(|manifest| manifest.origin.offset),
            is_disk: self.medium == Medium::Block && !is_known,
        }
    }

    fn system(&self) -> System {
        match (&self.manifest, self.machine) {
            (Some(manifest), _) => manifest.system.clone(),
            (None, Some(machine)) => System {
                machine: machine.name().unwrap_or_default().into(),
                byte_order: match machine.endian {
                    Endianness::Big => "big".into(),
                    Endianness::Little => "little".into(),
                },
                ..System::default()
            },
            (None, None) => System::default(),
        }
    }

    fn machine(&self) -> Option<Machine> {
        self.machine
    }

    fn incomplete(&self) -> Option<String> {
        let fault = self.fault.as_ref()?;
        Some(format!("the source is incomplete: {}", fault.error))
    }

    fn seals(&self) -> Vec<(Span, Digest)> {
        let all = Span {
            offset: 0,
            length: self.size(),
        };
        let seal = |digest: &Digest| (all, digest.clone());
        self.digest().map(seal).into_iter().collect()
    }

    fn check_unchanged(&self) -> Result<()> {
        match Stamp::of(&self.file) {
            Ok(stamp) if stamp == self.stamp => Ok(()),
            _ => Err(Error::new(
                ExitCode::Mismatch,
                "source was changed meanwhile",
                &self.name,
                Errno::ESTALE,
                "another program wrote to it, or the target is the same file by another name: what was \
                 read cannot be trusted",
            )),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut left = buffer;
        let mut skip = offset;
        for range in &self.ranges {
            if skip >= range.stored {
                skip -= range.stored;
                continue;
            }
            let here = (range.stored - skip).min(left.len() as u64) as usize;
            let (now, rest) = left.split_at_mut(here);
            self.file
                .read_exact_at(now, range.at + skip)
                .map_err(|error| Error::during(Doing::Read, "cannot read", &self.name, &error))?;
            left = rest;
            skip = 0;
            if left.is_empty() {
                return Ok(());
            }
        }
        match left.is_empty() {
            true => Ok(()),
            false => Err(Error::during(
                Doing::Read,
                "cannot read",
                &self.name,
                Errno::ENODATA,
            )),
        }
    }
}
