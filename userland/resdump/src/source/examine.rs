// SPDX-License-Identifier: MIT

//! What a saved dump is, and whether the file, its headers and its manifest agree about it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use object::Endianness;

use super::{
    Medium, Saved,
    medium::{self, Stamp},
    saved::{Fault, How},
};
use crate::{
    advice::Doing,
    codec::format::{self, Contents, Format, Found, Range, ReadAt, Unreadable, machine::Machine},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    system::System,
    text,
};

/// Looks at all of it but the bytes of memory. Faults are kept, not returned, where something can be
/// read in spite of them.
pub(super) fn examine(path: &Path, how: &How) -> Result<Saved> {
    let (file, medium, size) = medium::open(path)?;
    let stamp = Stamp::of(&file).map_err(|error| {
        Error::during(
            Doing::OpenSource,
            "cannot inspect",
            text::name(path),
            &error,
        )
    })?;
    let mut fault = None;
    let manifests = places(path, how.manifest.as_deref());
    let manifest = find_manifest(&manifests, how.manifest.is_some()).unwrap_or_else(|error| {
        fault = Some(Fault {
            error: Error {
                code: ExitCode::Incomplete,
                ..error
            },
            differs: false,
        });
        None
    });
    let mut saved = Saved {
        path: path.into(),
        name: text::name(path),
        file,
        medium,
        size,
        format: Format::Raw,
        ranges: Vec::new(),
        compression: None,
        machine: manifest.as_ref().and_then(|it| machine_of(&it.system)),
        manifest: None,
        manifests,
        fault: None,
        how: how.clone(),
        end: size,
        stamp,
    };
    saved.ranges = match &manifest {
        Some(manifest) => saved.by_manifest(manifest, &mut fault)?,
        None if how.raw => Vec::new(),
        None => saved.by_headers(&mut fault)?,
    };
    if how.raw {
        saved.ranges = Contents::raw(size).ranges;
        (saved.format, saved.compression) = (Format::Raw, None);
    }
    saved.manifest = manifest;
    if let Some(fault) = &mut fault
        && saved.is_being_written()
    {
        fault.error = Error::new(
            ExitCode::Incomplete,
            "dump is incomplete",
            &saved.name,
            Errno::EBUSY,
            "another run writes to it now: wait for its end",
        );
    }
    saved.fault = fault;
    saved.warn_of_overlap();
    if saved.compression.is_none() {
        saved.ranges.retain(|range| range.stored > 0);
    }
    if saved.ranges.is_empty() && saved.fault.is_none() {
        return Err(saved.error("nothing in it", Errno::ENODATA, "it has headers only"));
    }
    Ok(saved)
}

impl Saved {
    fn error(&self, what: &'static str, errno: Errno, advice: impl Into<String>) -> Error {
        Error::new(ExitCode::Incomplete, what, &self.name, errno, advice)
    }

    fn too_short(&self, needed: u64) -> Fault {
        Fault {
            error: self.error(
                "file is too short",
                Errno::ENODATA,
                format!("it has {} bytes, and should have {needed}", self.size),
            ),
            differs: false,
        }
    }

    pub(super) fn too_long(&self, needed: u64) -> Fault {
        Fault {
            error: self.error(
                "file is too long",
                Errno::EBADMSG,
                format!("it has {} bytes, and should have {needed}", self.size),
            ),
            differs: true,
        }
    }

    fn contradicts(&self, what: &str) -> Fault {
        Fault {
            error: self.error("file and manifest differ", Errno::EBADMSG, what),
            differs: true,
        }
    }

    /// Of what is there twice, both may be different.
    fn warn_of_overlap(&self) {
        let known = |range: &Range| Some((range.base?, range.length));
        let mut known: Vec<_> = self.ranges.iter().filter_map(known).collect();
        known.sort_unstable();
        let twice = known
            .windows(2)
            .find(|pair| pair[1].0 - pair[0].0 < pair[0].1);
        if let Some([_, (base, _)]) = twice {
            log::warn!(
                "{}: several of its ranges have the address {base:#x}",
                self.name
            );
        }
    }

    /// Without a manifest: what its headers say, if it has any.
    fn by_headers(&mut self, fault: &mut Option<Fault>) -> Result<Vec<Range>> {
        let contents = match format::detect(&self.file, self.size) {
            Ok(Found::Plain(contents)) => contents,
            Ok(Found::Packed(compression)) => {
                self.compression = Some(compression);
                return Ok(Contents::raw(0).ranges);
            }
            Err(error) => return Err(self.unreadable(error)),
        };
        self.format = contents.format;
        self.machine = contents.machine;
        self.end = contents.end;
        let name = &self.name;
        if contents.left_out > 0 {
            let bytes = contents.left_out;
            log::warn!("{name}: {bytes} bytes of memory were left out of it by its writer");
        }
        if fault.is_none() {
            *fault = self.judge_headers(&contents);
        }
        if fault.is_none() && self.medium == Medium::File && self.size > contents.end {
            let bytes = self.size - contents.end;
            log::warn!("{name}: its headers say nothing of its last {bytes} bytes");
        }
        Ok(contents.ranges)
    }

    fn judge_headers(&self, contents: &Contents) -> Option<Fault> {
        if self.size < contents.end {
            return Some(self.too_short(contents.end));
        }
        let (stored, length) = (contents.stored(), contents.length());
        if stored < length {
            return Some(Fault {
                error: self.error(
                    "dump is incomplete",
                    Errno::ENODATA,
                    format!("{stored} of {length} bytes are there"),
                ),
                differs: false,
            });
        }
        if contents.stray && self.medium == Medium::File {
            return Some(Fault {
                error: self.error(
                    "damaged header",
                    Errno::EBADMSG,
                    format!("no header of a range is at byte {:#x}", contents.end),
                ),
                differs: true,
            });
        }
        None
    }

    /// With a manifest: what that says, if the file agrees.
    fn by_manifest(
        &mut self,
        manifest: &Manifest,
        fault: &mut Option<Fault>,
    ) -> Result<Vec<Range>> {
        self.format = manifest.format;
        self.compression = manifest.compression;
        if !manifest.complete {
            *fault = Some(Fault {
                error: self.error(
                    "dump is incomplete",
                    Errno::ENODATA,
                    how_to_complete(manifest),
                ),
                differs: false,
            });
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
            return Ok(ranges);
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
        Ok(ranges)
    }

    fn judge_length(&self, end: u64, manifest: &Manifest, fault: &mut Option<Fault>) {
        if self.size < end {
            // That it is short is worse than that it was not finished.
            *fault = Some(self.too_short(end));
        } else if fault.is_none()
            && self.size > end
            && self.medium == Medium::File
            && manifest.complete
        {
            *fault = Some(self.too_long(end));
        }
    }

    /// Holds the headers of a complete dump against its manifest, and takes from them what it does
    /// not say.
    fn compare_headers(
        &mut self,
        manifest: &Manifest,
        ranges: &mut [Range],
    ) -> std::result::Result<(), String> {
        let start = match manifest.seek {
            Some(start) => start,
            // As ever written by versions that did not say it: one block before the data.
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

    fn unreadable(&self, error: Unreadable) -> Error {
        match error {
            Unreadable::Io(error) => Error::during(Doing::Read, "cannot read", &self.name, &error),
            Unreadable::Foreign { name, advice } => Error::new(
                ExitCode::NoRegion,
                "file of another kind",
                &self.name,
                Errno::ENOEXEC,
                format!("it is {name}: {advice}"),
            ),
            Unreadable::Damaged(what) => self.error("damaged header", Errno::EBADMSG, what),
        }
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
        "go on with 'resdump receive --resume'"
    } else if manifest.engine == "convert" {
        "its input was incomplete"
    } else if manifest.compression.is_some() || manifest.snapshot.is_some() {
        "make it again"
    } else {
        "go on with 'resdump dump --resume'"
    };
    format!(
        "{} of {} bytes are there: {how}",
        manifest.bytes, manifest.origin.length
    )
}

/// Where the manifest of `path` may be: where it is said to be, else beside it, else beside what a link
/// names.
fn places(path: &Path, said: Option<&Path>) -> Vec<PathBuf> {
    match said {
        Some(said) => vec![said.into()],
        None => [Some(path.into()), fs::canonicalize(path).ok()]
            .into_iter()
            .flatten()
            .map(|path: PathBuf| manifest::beside(&path))
            .collect(),
    }
}

/// The first manifest that is at one of `places`.
fn find_manifest(places: &[PathBuf], must: bool) -> Result<Option<Manifest>> {
    for place in places {
        if let Some(manifest) = Manifest::load(place)? {
            return Ok(Some(manifest));
        }
    }
    match places {
        [place] if must => Err(Error::during(
            Doing::OpenSource,
            "cannot read manifest",
            text::name(place),
            Errno::ENOENT,
        )),
        _ => Ok(None),
    }
}

/// The machine that a manifest names.
pub fn machine_of(system: &System) -> Option<Machine> {
    let endian = match system.byte_order.as_str() {
        "big" => Some(Endianness::Big),
        "little" => Some(Endianness::Little),
        _ => None,
    };
    Machine::named(&system.machine, endian)
}
