// SPDX-License-Identifier: MIT

//! Where bytes come from: a live region or a file that was saved from one.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::{
    codec::format::Format,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    manifest::{Manifest, Origin},
    output::Identity,
    span::Span,
    system::Taken,
};

pub mod digest;
mod held;
mod region;
mod saved;

pub use held::Held;
pub use region::{DIRECTORY, Region, labels, none_found};
pub use saved::Saved;

/// Bytes looked at a time.
const BLOCK: u64 = 1 << 20;

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
        Identity::of(self.file()).into_iter().collect()
    }

    /// Where the source's first byte is in the file.
    fn start(&self) -> u64 {
        0
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
            ..Manifest::begin(self.origin(span), format, data_offset, self.abi())
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
            .map_err(|error| Error::io("cannot read", self.name(), &error))
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

/// Opens what a person calls a region: a label, the path of a device node, or the path of a saved
/// file. What has no slash is a label.
pub fn open(name: &str) -> Result<Box<dyn Source>> {
    let path = node_path(name);
    let kind = fs::metadata(&path).map(|metadata| metadata.file_type());
    Ok(match kind {
        Ok(kind) if kind.is_file() => Box::new(Saved::open(&path)?),
        Ok(kind) if !kind.is_char_device() => {
            return Err(Error::new(
                ExitCode::NoRegion,
                "not a region",
                name,
                Errno::EINVAL,
                "give a label, a node below /dev/resmem, or a saved file",
            ));
        }
        Err(error) if name.contains('/') && !path.starts_with(DIRECTORY) => {
            return Err(Error {
                code: ExitCode::NoRegion,
                ..Error::io("cannot open", name, &error)
            });
        }
        // Whatever else is wrong, opening it tells.
        _ => Box::new(Region::open(name)?),
    })
}

/// The path that `name` stands for.
fn node_path(name: &str) -> PathBuf {
    if name.contains('/') {
        name.into()
    } else {
        Path::new(DIRECTORY).join(name)
    }
}

/// Tells why a region could not be opened.
fn open_error(name: &str, error: &io::Error) -> Error {
    match errno_of(error) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ENODEV => region::absent(name),
        Errno::ENOTTY | Errno::EINVAL => Error::new(
            ExitCode::NoRegion,
            "not a region",
            name,
            Errno::ENOTTY,
            "'resdump list' shows the regions there are",
        ),
        errno @ (Errno::EPERM | Errno::EACCES) => Error::new(
            ExitCode::Permission,
            "cannot open region",
            name,
            errno,
            "run as root: CAP_SYS_RAWIO is needed, and a kernel without lockdown",
        ),
        errno => Error::system("cannot open region", name, errno),
    }
}
