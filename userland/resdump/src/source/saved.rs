// SPDX-License-Identifier: MIT

//! A file that was saved from a region, in any format.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::Source;
use crate::{
    codec::format::{self, Contents},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    output::Identity,
    span::Span,
};

/// Bytes in which every header fits.
const HEAD: usize = 4096;

/// A saved file. Its source are the bytes that were in the region, without headers.
#[derive(Debug)]
pub struct Saved {
    path: String,
    /// Where its manifest is, if it has one.
    manifest: PathBuf,
    file: File,
    contents: Contents,
    head: Vec<u8>,
}

impl Saved {
    /// Opens a saved file for reading. Of an incomplete dump, what its manifest says is durable;
    /// `ENODATA` if that is nothing.
    pub fn open(path: &Path) -> Result<Self> {
        let file =
            File::open(path).map_err(|error| Error::io("cannot open", path.display(), &error))?;
        let (head, size) =
            examine(&file).map_err(|error| Error::io("cannot inspect", path.display(), &error))?;
        let mut contents = format::detect(&head, size);
        // Whatever is wrong with the manifest, the bytes are there.
        if let Ok(Some(manifest)) = Manifest::load(&manifest::beside(path)) {
            refuse_packed(path, &manifest)?;
            manifest.expect_some(path)?;
            let Span { offset, length } = manifest.data();
            // A header at the begin of the file may be another dump's.
            let own = contents.base.filter(|_| contents.data_offset == offset);
            contents = Contents {
                format: manifest.format,
                data_offset: offset,
                bytes: length.min(size.saturating_sub(offset)),
                base: manifest.origin.start().or(own),
            };
        }
        Ok(Self {
            path: path.display().to_string(),
            manifest: manifest::beside(path),
            file,
            contents,
            head,
        })
    }

    /// What the file says of itself.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The first bytes of the file, headers included.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// Bytes in the middle of a compressed file cannot be read.
fn refuse_packed(path: &Path, manifest: &Manifest) -> Result<()> {
    match manifest.compression {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ExitCode::NoRegion,
            "file is compressed",
            path.display(),
            Errno::EINVAL,
            "unpack it first, with 'resdump convert FILE NEW --to raw'",
        )),
    }
}

fn examine(file: &File) -> io::Result<(Vec<u8>, u64)> {
    let size = file.metadata()?.len();
    let mut head = vec![0; HEAD.min(usize::try_from(size).unwrap_or(HEAD))];
    file.read_exact_at(&mut head, 0)?;
    Ok((head, size))
}

impl Source for Saved {
    fn name(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        self.contents.bytes
    }

    fn file(&self) -> &File {
        &self.file
    }

    fn identities(&self) -> Vec<Identity> {
        [Identity::of(&self.file), Identity::named(&self.manifest)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn start(&self) -> u64 {
        self.contents.data_offset
    }

    fn base(&self) -> Option<u64> {
        self.contents.base
    }
}
