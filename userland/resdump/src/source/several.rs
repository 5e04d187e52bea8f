// SPDX-License-Identifier: MIT

//! Several sources as one, in the order of their addresses: each of their ranges is one of it.

use std::fs::File;

use nix::errno::Errno;

use super::{Extent, Source};
use crate::{
    codec::{digest::Digest, format::machine::Machine},
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Identity,
    span::Span,
    system::System,
};

/// Several sources.
pub struct Several {
    name: String,
    sources: Vec<Box<dyn Source>>,
    extents: Vec<Extent>,
}

impl Several {
    /// Of `sources`, one range each; there is at least one. Fails where an address is not known, where
    /// ranges overlap, or where the machines differ.
    pub fn new(mut sources: Vec<Box<dyn Source>>) -> Result<Self> {
        let refused = |code, subject: &str, errno, advice: String| {
            Error::new(code, "cannot be in one file", subject, errno, advice)
        };
        if let Some(unknown) = sources.iter().find(|source| source.base().is_none()) {
            let advice = "nothing tells where in memory it was".into();
            return Err(refused(
                ExitCode::Usage,
                unknown.name(),
                Errno::EINVAL,
                advice,
            ));
        }
        sources.sort_by_key(|source| source.base());
        for pair in sources.windows(2) {
            let (one, next) = (&pair[0], &pair[1]);
            let after = next.base().unwrap_or(0) - one.base().unwrap_or(0);
            if after < one.size() {
                let advice = format!("it overlaps {}: leave one of them out", one.name());
                return Err(refused(ExitCode::Range, next.name(), Errno::EEXIST, advice));
            }
            if one.machine() != next.machine() {
                let advice = format!("it is from another machine than {}", one.name());
                return Err(refused(ExitCode::Usage, next.name(), Errno::EINVAL, advice));
            }
        }
        let mut offset = 0;
        let extents = sources
            .iter()
            .map(|source| {
                let extent = Extent {
                    offset,
                    length: source.size(),
                    base: source.base(),
                };
                offset += extent.length;
                extent
            })
            .collect();
        let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
        Ok(Self {
            name: names.join(", "),
            sources,
            extents,
        })
    }

    /// Each source, with where its bytes are in this.
    pub fn parts(&self) -> impl Iterator<Item = (&dyn Source, Extent)> {
        let sources = self.sources.iter().map(|source| &**source);
        sources.zip(self.extents.iter().copied())
    }
}

impl Source for Several {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).sum()
    }

    /// Of the first: the others have their own.
    fn file(&self) -> &File {
        self.sources[0].file()
    }

    fn identities(&self) -> Vec<Identity> {
        let each = self.sources.iter();
        each.flat_map(|source| source.identities()).collect()
    }

    fn extents(&self) -> Vec<Extent> {
        self.extents.clone()
    }

    fn abi(&self) -> u32 {
        self.sources[0].abi()
    }

    fn base(&self) -> Option<u64> {
        self.sources[0].base()
    }

    fn machine(&self) -> Option<Machine> {
        self.sources[0].machine()
    }

    fn system(&self) -> System {
        self.sources[0].system()
    }

    fn seals(&self) -> Vec<(Span, Digest)> {
        let moved = |(span, digest): (Span, Digest), by: &Extent| {
            let offset = span.offset + by.offset;
            (Span { offset, ..span }, digest)
        };
        let each = self.parts();
        each.flat_map(|(source, extent)| {
            let seals = source.seals().into_iter();
            seals.map(move |seal| moved(seal, &extent))
        })
        .collect()
    }

    fn check_unchanged(&self) -> Result<()> {
        let mut each = self.sources.iter();
        each.try_for_each(|source| source.check_unchanged())
    }

    fn incomplete(&self) -> Option<String> {
        self.sources.iter().find_map(|source| source.incomplete())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut left = buffer;
        let mut at = offset;
        for (source, extent) in self.parts() {
            let end = extent.offset + extent.length;
            if at >= end || left.is_empty() {
                continue;
            }
            let here = (end - at).min(left.len() as u64) as usize;
            let (now, rest) = left.split_at_mut(here);
            source.read_at(now, at - extent.offset)?;
            left = rest;
            at = end;
        }
        match left.is_empty() {
            true => Ok(()),
            false => Err(Error::new(
                ExitCode::Range,
                "cannot read",
                &self.name,
                Errno::ERANGE,
                "it ends before",
            )),
        }
    }
}
