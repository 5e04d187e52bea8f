// SPDX-License-Identifier: MIT
//! A finished image, of either builder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// The name of the manifest in an image's folder.
const MANIFEST: &str = "manifest.json";

/// A finished image: a folder with the kernel, the root file system for memory (`rootfs.cpio`) and
/// for a partition (`rootfs.squashfs`), `resmem.dtbo`, `boot.scr`, the disk image `sdcard.img`,
/// `resmem.ko`, `resdump`, `linux.config` and `manifest.json`. Next to them, not part of the image: `tools.cpio` holds
/// what the tests want in the guest as well; `resdump.symbols`, of the quick builder alone, is the dumper with the names
/// of its functions.
#[derive(Clone, Debug)]
pub struct Image {
    /// The folder.
    pub folder: PathBuf,
}

impl Image {
    /// The image in `folder`, which has a manifest.
    pub fn open(folder: &Path) -> Result<Self> {
        ensure!(
            folder.join(MANIFEST).is_file(),
            "no image in {}: make quick-image or make image builds it",
            folder.display()
        );
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What it consists of.
    pub fn manifest(&self) -> Result<Manifest> {
        Manifest::read(&self.folder)
    }
}

/// What an image consists of: the content of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Revision of this format.
    pub schema: u32,
    /// `quick` or `buildroot`.
    pub builder: String,
    /// Name of the board.
    pub board: String,
    /// Name of the kernel flavour.
    pub flavour: String,
    /// Versions and origins of what went in.
    pub versions: BTreeMap<String, String>,
    /// Keys of the project's own sources that went in.
    pub sources: BTreeMap<String, String>,
    /// SHA-256 of each file of the image.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads that of the image in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(MANIFEST);
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }

    /// Writes it into the image's folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::write(
            folder.join(MANIFEST),
            serde_json::to_string_pretty(self)? + "\n",
        )?;
        Ok(())
    }
}
