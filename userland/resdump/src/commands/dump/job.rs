// SPDX-License-Identifier: MIT

//! What a dump is to be: plain data that has been checked, whatever it was read from.

#![forbid(unsafe_code)]

use std::{path::PathBuf, time::Duration};

use resmem::abi::CHUNK_DEFAULT;

use crate::{
    codec::{compression::Compression, digest::Algorithm, format::Format},
    console,
    engine::{Name, Settings},
    error::Result,
    manifest,
    output::{Kind, Output, Permit, Place, Queue, Tuned},
    span::Span,
    template::{self, Values},
    text,
};

/// A dump that is to be made.
pub(in crate::commands) struct Job {
    /// First byte, from the start of the source.
    pub(super) offset: u64,
    /// Bytes; all to the end of the source without.
    pub(super) length: Option<u64>,

    /// Where to, as it was named.
    pub(super) target: PathBuf,
    /// If that is a stream.
    pub(super) place: Option<Place>,
    /// What may happen to it.
    pub(super) permit: Permit,
    /// Where the first byte goes to.
    pub(super) seek: u64,
    /// What lies around the bytes.
    pub(super) format: Format,
    /// How they are compressed; raw and from the start then.
    pub(super) compress: Option<Compression>,
    /// Bytes of the file system that stay free.
    pub(super) keep_free: u64,
    /// Most bytes that are written.
    pub(super) max_size: Option<u64>,
    /// Whether zeros become holes.
    pub(super) zero_skip: bool,

    /// Longest silence of a receiver.
    pub(super) timeout: Duration,

    /// How the bytes move.
    pub(in crate::commands) engine: Name,
    /// Bytes a request, if a user has said so.
    pub(super) chunk: Option<u32>,
    /// Requests in flight, likewise.
    pub(super) depth: Option<u32>,
    /// Whether it is written from a mapping.
    pub(super) mapped: bool,
    /// Whether the disk takes larger requests meanwhile.
    pub(super) tune: bool,
    /// Whether none may be copied.
    pub(in crate::commands) strict: bool,

    /// What is computed of the bytes meanwhile.
    pub(super) digest: Option<Algorithm>,
    /// Whether they are read back.
    pub(super) verify: bool,
    /// Whether they are made durable.
    pub(super) sync: bool,
    /// Where it is written down what is known of them.
    pub(super) manifest: Sidecar,
    /// Between two checkpoints.
    pub(super) period: Duration,

    /// Whether to say nothing about it.
    pub(super) quiet: bool,
}

/// Where the manifest of a dump is to be.
pub(super) enum Sidecar {
    None,
    /// Next to a file; a device has none.
    Beside,
    At(PathBuf),
}

impl Job {
    /// Gives the target the name that it stands for, if it is a template, for a dump of `label`.
    pub(super) fn fill(&mut self, label: &str) -> Result<()> {
        if self.place.is_none() && template::is_template(&self.target) {
            self.target = template::fill(&self.target, &Values::now(label))?;
            if !self.quiet {
                console::say(format_args!("target: {}", text::name(&self.target)));
            }
        }
        Ok(())
    }

    /// Whether there is a manifest, if the target is a `kind`.
    pub(super) fn has_manifest(&self, kind: Kind) -> bool {
        match &self.manifest {
            Sidecar::None => false,
            Sidecar::Beside => kind == Kind::File,
            Sidecar::At(_) => true,
        }
    }

    /// Where the manifest of `target` is to be, and whether a person has named it.
    pub(super) fn manifest(&self, target: &Output) -> Option<(PathBuf, bool)> {
        match &self.manifest {
            Sidecar::At(path) => Some((path.clone(), true)),
            _ if self.has_manifest(target.kind()) => {
                Some((manifest::beside(target.lasting_path()), false))
            }
            _ => None,
        }
    }

    /// Why its format lets no byte go by direct I/O, if that is so.
    pub(super) fn why_copied(&self) -> Option<&'static str> {
        let is_lime = self.format == Format::Lime;
        is_lime.then_some("LiME's headers of 32 bytes leave no block aligned")
    }

    /// The bytes of a source of `size` bytes that are meant.
    pub(in crate::commands) fn span(&self, size: u64) -> Result<Span> {
        Span::new(self.offset, self.length, size)
    }

    /// How `length` bytes are divided: as the user has said, else as the target's disk likes it. What is no more
    /// than a chunk is not worth a look at the disk.
    pub(super) fn settings(&self, length: u64) -> Settings {
        let known = self.chunk.is_some() && self.depth.is_some();
        let fit = (!known && length > CHUNK_DEFAULT.into())
            .then(|| Queue::of(&self.target))
            .flatten()
            .map_or_else(Settings::default, |queue| Settings::fit(&queue));
        Settings {
            chunk: self.chunk.unwrap_or(fit.chunk),
            depth: self.depth.unwrap_or(fit.depth),
            mapped: self.mapped,
        }
    }

    /// Lets the disk take larger requests as long as what is returned lives, if that is wanted.
    pub(super) fn tune(&self) -> Result<Option<Tuned>> {
        self.tune.then(|| Tuned::raise(&self.target)).transpose()
    }

    /// Whether it resumes an earlier one.
    pub(in crate::commands) fn resumes(&self) -> bool {
        self.permit.resume
    }

    /// The target's name, for messages.
    pub(super) fn name(&self) -> String {
        text::name(&self.target)
    }
}
