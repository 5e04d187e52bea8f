// SPDX-License-Identifier: MIT

//! A file that was saved from a region, in any format.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use nix::errno::Errno;

use super::Source;
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    format::{self, Contents},
    manifest::{self, Manifest},
};

/// Bytes in which every header fits.
const HEAD: usize = 4096;

/// A saved file. Its source are the bytes that were in the region, without headers.
#[derive(Debug)]
pub struct Saved {
    path: String,
    file: File,
    contents: Contents,
    head: Vec<u8>,
}

impl Saved {
    /// Opens a saved file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let file =
            File::open(path).map_err(|error| Error::io("cannot open", path.display(), &error))?;
        refuse_packed(path)?;
        let (head, size) =
            examine(&file).map_err(|error| Error::io("cannot inspect", path.display(), &error))?;
        Ok(Self {
            path: path.display().to_string(),
            file,
            contents: format::detect(&head, size),
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
fn refuse_packed(path: &Path) -> Result<()> {
    match Manifest::load(&manifest::beside(path)) {
        Ok(Some(manifest)) if manifest.compression.is_some() => Err(Error::new(
            ExitCode::NoRegion,
            "file is compressed",
            path.display(),
            Errno::EINVAL,
            "unpack it first, with 'resdump convert FILE NEW --to raw'",
        )),
        // Whatever is wrong with the manifest, the bytes are there.
        _ => Ok(()),
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

    fn start(&self) -> u64 {
        self.contents.data_offset
    }

    fn base(&self) -> Option<u64> {
        self.contents.base
    }
}
