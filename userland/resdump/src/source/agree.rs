// SPDX-License-Identifier: MIT

//! Whether a saved file, its headers and its manifest agree.

use std::fs::File;

use nix::errno::Errno;

use super::{Fault, Medium, Saved};
use crate::{
    codec::format::{self, Contents, Format, Found, Range, ReadAt, Unreadable},
    manifest::Manifest,
};

impl Saved {
    /// With a manifest: what that says, if the file agrees.
    pub(super) fn by_manifest(
        &mut self,
        manifest: &Manifest,
        fault: &mut Option<Fault>,
    ) -> Vec<Range> {
        self.format = manifest.format;
        self.compression = manifest.compression;
        if !manifest.complete {
            let advice = how_to_complete(manifest);
            let what = "dump is incomplete";
            *fault = Some(Fault::missing(&self.name, what, Errno::ENODATA, advice));
        }
        let mut ranges = parts(manifest);
        if self.compression.is_some() {
            let stored = manifest.stored.filter(|_| manifest.complete);
            self.judge_length(stored.unwrap_or(self.size), manifest, fault);
            let is_right = matches!(format::detect(&self.file, self.size),
                Ok(Found::Packed(found)) if Some(found) == self.compression);
            if !is_right && fault.is_none() {
                *fault = Some(self.contradicts("it is not compressed as its manifest says"));
            }
            return ranges;
        }
        let mut left = manifest.bytes;
        let mut end = 0;
        for range in &mut ranges {
            let there = range.length.min(left);
            left -= there;
            if there > 0 {
                end = end.max(range.at.saturating_add(there));
            }
            range.stored = there.min(self.size.saturating_sub(range.at));
        }
        self.judge_length(end, manifest, fault);
        // Headers are written last: those of an incomplete dump need not be there.
        if manifest.complete && manifest.format != Format::Raw {
            let found = self.compare_headers(manifest, &mut ranges);
            if let (Err(differs), None) = (found, &fault) {
                *fault = Some(self.contradicts(&differs));
            }
        }
        ranges
    }

    fn judge_length(&self, end: u64, manifest: &Manifest, fault: &mut Option<Fault>) {
        if self.size < end {
            // That it is short is worse than that it was not finished.
            *fault = Some(Fault::too_short(&self.name, self.size, end));
        } else if fault.is_none()
            && self.size > end
            && self.medium == Medium::File
            && manifest.complete
        {
            *fault = Some(Fault::too_long(&self.name, self.size, end));
        }
    }

    /// Holds the headers of a complete dump against its manifest, and takes from them what it does
    /// not say.
    fn compare_headers(&mut self, manifest: &Manifest, ranges: &mut [Range]) -> Result<(), String> {
        let start = match manifest.seek {
            Some(start) => start,
            // Versions that did not say it wrote it one block before the data.
            None if manifest.format == Format::Elf => manifest
                .data_offset
                .saturating_sub(format::elf::DATA_OFFSET),
            None => 0,
        };
        let from = From {
            file: &self.file,
            start,
        };
        let size = self.size.saturating_sub(start);
        let contents = match format::detect(&from, size) {
            Ok(Found::Plain(contents)) => contents,
            Err(Unreadable::Damaged(what)) => return Err(what.into()),
            _ => Contents::raw(size),
        };
        if contents.format != manifest.format {
            return Err(format!("it has no {} header", manifest.format.as_str()));
        }
        let is_same = contents.ranges.len() == ranges.len()
            && contents.ranges.iter().zip(&*ranges).all(|(found, said)| {
                let base = said.base.is_none() || found.base == said.base;
                base && found.length == said.length && found.at.checked_add(start) == Some(said.at)
            });
        if !is_same {
            return Err("its headers have other ranges".into());
        }
        for (range, found) in ranges.iter_mut().zip(&contents.ranges) {
            range.base = found.base;
            range.virt = found.virt;
        }
        // The manifest says where it is from; what its headers should say may be another choice.
        self.machine = contents.machine.or(self.machine);
        Ok(())
    }

    fn contradicts(&self, advice: &str) -> Fault {
        Fault::contradiction(&self.name, "file and manifest differ", advice)
    }
}

/// A file from `start` on.
struct From<'a> {
    file: &'a File,
    start: u64,
}

impl ReadAt for From<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        match at.checked_add(self.start) {
            Some(at) => ReadAt::read_at(self.file, buffer, at),
            None => Ok(0),
        }
    }
}

/// Where a manifest says that the bytes are: all of them, whether they are there or not.
fn parts(manifest: &Manifest) -> Vec<Range> {
    let range = |base, at, length| Range {
        base,
        virt: None,
        at,
        length,
        stored: length,
    };
    if manifest.ranges.is_empty() {
        let length = match manifest.compression {
            Some(_) => manifest.bytes,
            None => manifest.origin.length,
        };
        return vec![range(manifest.origin.start(), manifest.data_offset, length)];
    }
    manifest
        .ranges
        .iter()
        .map(|part| range(part.base, part.data_offset, part.length))
        .collect()
}

fn how_to_complete(manifest: &Manifest) -> String {
    let how = if manifest.engine == "receive" {
        "resume it with 'resdump receive --resume'"
    } else if manifest.engine == "convert" {
        "its input was incomplete"
    } else if manifest.compression.is_some() || manifest.snapshot.is_some() {
        "make it again"
    } else {
        "resume it with 'resdump dump --resume'"
    };
    format!(
        "{} of {} bytes are there: {how}",
        manifest.bytes, manifest.origin.length
    )
}
