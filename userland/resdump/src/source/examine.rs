// SPDX-License-Identifier: MIT

//! What a saved dump is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use object::Endianness;

use super::{
    Fault, How, Medium, Saved,
    medium::{self, Stamp},
};
use crate::{
    advice::Doing,
    codec::format::{self, Contents, Format, Found, Range, Unreadable, machine::Machine},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    system::System,
    text,
};

const DAMAGED: &str = "damaged header";

impl Saved {
    /// Opens a saved dump. `ENODATA` or `EBADMSG`, with [`ExitCode::Incomplete`], for one that its
    /// own headers or its manifest call incomplete, or of which that cannot be known, unless `how`
    /// says to take it all the same.
    pub fn open(path: &Path, how: &How) -> Result<Self> {
        let mut saved = Self::examine(path, how)?;
        match saved.fault.take() {
            Some(fault) if !how.incomplete || saved.ranges.is_empty() => {
                let (is_empty, has_manifest) = (
                    saved.ranges.is_empty(),
                    saved.manifests.iter().any(|it| it.exists()),
                );
                let more = match fault.error.errno {
                    // It is being written.
                    Errno::EBUSY => "",
                    _ if is_empty && has_manifest => {
                        "; none of it can be trusted: remove its manifest to read it nevertheless"
                    }
                    _ if !is_empty && how.has_options => "; --incomplete takes what is there",
                    _ => "",
                };
                Err(Error {
                    advice: fault.error.advice + more,
                    ..fault.error
                })
            }
            Some(fault) => {
                log::warn!("{}", fault.error);
                saved.fault = Some(fault);
                Ok(saved)
            }
            None => Ok(saved),
        }
    }

    /// As [`Saved::open`], also where there is a fault: the caller looks at [`Saved::fault`].
    pub fn examine(path: &Path, how: &How) -> Result<Self> {
        examine(path, how)
    }
}

/// Looks at all of a saved dump but the bytes of memory. Faults are kept, not returned, where something can be
/// read in spite of them.
fn examine(path: &Path, how: &How) -> Result<Saved> {
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
        let code = ExitCode::Incomplete;
        fault = Some(Fault {
            error: Error { code, ..error },
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
        Some(manifest) => saved.by_manifest(manifest, &mut fault),
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
        let advice = "another run writes to it now: wait for its end";
        fault.error = Fault::missing(&saved.name, "dump is incomplete", Errno::EBUSY, advice).error;
    }
    saved.fault = fault;
    saved.warn_of_overlap();
    if saved.compression.is_none() {
        saved.ranges.retain(|range| range.stored > 0);
    }
    if saved.ranges.is_empty() && saved.fault.is_none() {
        let advice = "it has headers only";
        return Err(Fault::missing(&saved.name, "nothing in it", Errno::ENODATA, advice).error);
    }
    Ok(saved)
}

impl Saved {
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
            return Some(Fault::too_short(&self.name, self.size, contents.end));
        }
        let (stored, length) = (contents.stored(), contents.length());
        if stored < length {
            let advice = format!("{stored} of {length} bytes are there");
            let what = "dump is incomplete";
            return Some(Fault::missing(&self.name, what, Errno::ENODATA, advice));
        }
        if contents.stray && self.medium == Medium::File {
            let advice = format!("no header of a range is at byte {:#x}", contents.end);
            return Some(Fault::contradiction(&self.name, DAMAGED, advice));
        }
        None
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
            Unreadable::Damaged(what) => Fault::contradiction(&self.name, DAMAGED, what).error,
        }
    }
}

/// Where the manifest of `path` may be: where it is said to be, else next to it, else next to what a link
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
        if let Some(manifest) = manifest::load(place)? {
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
