// SPDX-License-Identifier: MIT

//! Where bytes come from: a live region or a file that was saved from one.

#![forbid(unsafe_code)]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, FileTypeExt},
    },
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    codec::{
        digest::Digest,
        format::{Format, machine::Machine},
    },
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    manifest::{self, Manifest, Origin},
    output::Identity,
    span::Span,
    system::{self, System, Taken},
    text,
};

mod agree;
pub mod digest;
mod examine;
mod fault;
mod held;
mod medium;
mod place;
mod region;
mod saved;
mod several;

pub use examine::machine_of;
pub use fault::Fault;
pub use held::{Held, file_in_memory};
pub use medium::{Medium, holds_recording};
pub use place::{Pair, Place};
pub use region::{DIRECTORY, Region, labels, none_found};
pub use saved::{How, Saved};
pub use several::Several;

/// Bytes looked at a time.
const BLOCK: u64 = 1 << 20;

/// A run of a source's bytes that lie side by side in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First byte in the source.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Physical address of the first byte, if it is known. It and `length` do not leave 64 bits.
    pub base: Option<u64>,
}

/// Bytes that commands and engines read.
pub trait Source: Sync {
    /// Label of the region, or path of the file.
    fn name(&self) -> &str;

    /// Number of bytes.
    fn size(&self) -> u64;

    /// The open file, which can be mapped.
    fn file(&self) -> &File;

    /// What must not be written to while this is read: the file, and what is known of it.
    fn identities(&self) -> Vec<Identity> {
        Identity::of_input(self.file()).into_iter().collect()
    }

    /// Where the source's first byte is in the file. Of one with several [`Source::extents`], that of
    /// the first.
    fn start(&self) -> u64 {
        0
    }

    /// Its ranges, in the order of their offsets; at least one.
    fn extents(&self) -> Vec<Extent> {
        vec![Extent {
            offset: 0,
            length: self.size(),
            base: self.base(),
        }]
    }

    /// The machine whose memory it is, if that is known.
    fn machine(&self) -> Option<Machine> {
        self.region()
            .and_then(|_| examine::machine_of(&system::current()))
    }

    /// Where it was made; nothing where that is not known.
    fn system(&self) -> System {
        system::current()
    }

    /// Where in memory its bytes are, as far as that is known.
    fn place(&self) -> Place {
        Place {
            extents: self.extents(),
            within: self.region().map(|_| 0),
            is_disk: false,
        }
    }

    /// What is known of its content: digests that parts of it should have.
    fn seals(&self) -> Vec<(Span, Digest)> {
        Vec::new()
    }

    /// Fails when something has written to it since it was opened, where that shows.
    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }

    /// Why a copy of it is not complete, if it is not complete itself.
    fn incomplete(&self) -> Option<String> {
        None
    }

    /// The live region, if this is one.
    fn region(&self) -> Option<&Region> {
        None
    }

    /// Revision of the ABI of the module that it comes from; 0 for a saved file.
    fn abi(&self) -> u32 {
        self.region().map_or(0, Region::abi)
    }

    /// `span` of it, as a manifest names it.
    fn origin(&self, span: Span) -> Origin {
        Origin {
            region: self.name().into(),
            base: self.base(),
            offset: span.offset,
            length: span.length,
        }
    }

    /// The manifest of a dump of `span` of it that is about to begin.
    fn manifest(&self, span: Span, format: Format, data_offset: u64) -> Manifest {
        Manifest {
            snapshot: self.taken(),
            system: self.system(),
            ..manifest::begin(self.origin(span), format, data_offset, self.abi())
        }
    }

    /// When it was copied, if this is a copy of a live region.
    fn taken(&self) -> Option<Taken> {
        None
    }

    /// Physical address of the first byte, where there is one.
    fn base(&self) -> Option<u64> {
        self.region().map(Region::base)
    }

    /// Copies bytes from `offset` on; all of `buffer` or an error.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file()
            .read_exact_at(buffer, self.start() + offset)
            .map_err(|error| Error::during(Doing::Read, "cannot read", self.name(), &error))
    }

    /// Whether `length` bytes from `offset` on are zero.
    fn is_zero(&self, offset: u64, length: u64) -> Result<bool> {
        let mut bytes = vec![0; length.min(BLOCK) as usize];
        let mut done = 0;
        while done < length {
            let piece = &mut bytes[..(length - done).min(BLOCK) as usize];
            self.read_at(piece, offset + done)?;
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            done += piece.len() as u64;
        }
        Ok(true)
    }
}

/// Opens what a person calls a region, to be read as one run of bytes: what has several ranges is
/// refused. See [`open_any`].
pub fn open(name: impl AsRef<OsStr>) -> Result<Box<dyn Source>> {
    open_one(name, &How::default())
}

/// As [`open`], a saved file in the way that `how` says.
pub fn open_one(name: impl AsRef<OsStr>, how: &How) -> Result<Box<dyn Source>> {
    let source = open_any(name, how)?;
    match source.extents().len() {
        0 | 1 => Ok(source),
        count => Err(Error::new(
            ExitCode::Range,
            "several ranges",
            source.name(),
            Errno::EINVAL,
            format!(
                "it has {count}, and this takes one: 'resdump convert FILE NEW --to elf' keeps all"
            ),
        )),
    }
}

/// Opens what a person calls a region: a label, the path of a device node, or the path of a saved
/// file or of a block device that holds a dump. What has no slash is a label.
pub fn open_any(name: impl AsRef<OsStr>, how: &How) -> Result<Box<dyn Source>> {
    let name = name.as_ref();
    if name.is_empty() {
        return Err(Error::new(
            ExitCode::Usage,
            "no such region",
            "''",
            Errno::EINVAL,
            "the argument is empty: give a label, or the path of a saved file",
        ));
    }
    let path = node_path(name);
    let is_file = name.as_bytes().contains(&b'/') && !path.starts_with(DIRECTORY);
    match fs::metadata(&path).map(|metadata| metadata.file_type()) {
        Ok(kind) if !is_file || kind.is_char_device() => {}
        Err(_) if !is_file => {}
        _ => {
            let saved = Saved::open(&path, how)?;
            saved.refuse_packed()?;
            return Ok(Box::new(saved));
        }
    }
    // Whatever else is wrong, opening it tells.
    Region::open(name)
        .map(|region| Box::new(region) as _)
        .map_err(|error| {
            let is_there = Path::new(name).symlink_metadata().is_ok();
            let looks_like_a_file = !is_file && !path.exists() && is_there;
            match looks_like_a_file {
                true => Error {
                    what: "no such region",
                    advice: format!(
                        "a label has no slash, and a file has one: give ./{}",
                        text::name(name)
                    ),
                    ..error
                },
                false => error,
            }
        })
}

/// The runs of bytes that two sources have in common: see [`Place::common`].
pub fn common(one: &dyn Source, other: &dyn Source) -> Result<Vec<Pair>> {
    one.place()
        .common(&other.place())
        .map_err(|why| not_comparable(one, other, why))
}

/// Why two sources cannot be compared.
pub fn not_comparable(one: &dyn Source, other: &dyn Source, why: impl Into<String>) -> Error {
    Error::new(
        ExitCode::Range,
        "cannot be compared",
        format_args!("{} with {}", one.name(), other.name()),
        Errno::ERANGE,
        why,
    )
}

/// The path that `name` stands for.
fn node_path(name: &OsStr) -> PathBuf {
    if name.as_bytes().contains(&b'/') {
        name.into()
    } else {
        Path::new(DIRECTORY).join(name)
    }
}

/// Tells why a region could not be opened.
fn open_error(name: &OsStr, error: &io::Error) -> Error {
    let shown = text::name(name);
    let is_region = node_path(name).starts_with(DIRECTORY);
    match errno_of(error) {
        errno @ (Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ENODEV) => {
            match is_region {
                true => region::absent(name),
                false => Error {
                    code: ExitCode::NoRegion,
                    ..Error::during(Doing::OpenSource, "cannot open", shown, errno)
                },
            }
        }
        Errno::ENOTTY | Errno::EINVAL => Error::new(
            ExitCode::NoRegion,
            "not a region",
            shown,
            Errno::ENOTTY,
            "'resdump list' shows the regions there are",
        ),
        errno => Error::during(Doing::OpenRegion, "cannot open region", shown, errno),
    }
}
