// SPDX-License-Identifier: MIT

//! A file that was saved from a region: exactly its bytes.

use std::{fs::File, path::Path};

use super::Source;
use crate::error::{Error, Result};

/// A saved file.
#[derive(Debug)]
pub struct Saved {
    path: String,
    file: File,
    size: u64,
}

impl Saved {
    /// Opens a saved file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let file =
            File::open(path).map_err(|error| Error::io("cannot open", path.display(), &error))?;
        let size = file
            .metadata()
            .map_err(|error| Error::io("cannot inspect", path.display(), &error))?
            .len();
        Ok(Self {
            path: path.display().to_string(),
            file,
            size,
        })
    }
}

impl Source for Saved {
    fn name(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn file(&self) -> &File {
        &self.file
    }
}
