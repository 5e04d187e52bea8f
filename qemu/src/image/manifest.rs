// SPDX-License-Identifier: MIT
//! What an image consists of: versions, sources and hashes, as JSON beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Builder;
use super::busybox::Busybox;
use super::linux::Source;
use crate::board::Board;
use crate::step::{Key, output_of, sha256_file};

/// The content of `manifest.json`.
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
    pub(super) fn describe(
        builder: &Builder<'_>,
        source: &Source,
        busybox: &Busybox,
        folder: &Path,
    ) -> Result<Self> {
        let compiler = builder.board.kernel_compiler()?;
        let compiler = output_of(Command::new(compiler).arg("--version"))?;
        let files = hashes(folder, &files(builder.board)?)?;
        let versions = [
            ("linux", source.origin.as_str()),
            ("busybox", &busybox.origin),
            ("rustc", &builder.tools.version),
            ("cc", compiler.lines().next().unwrap_or_default()),
        ];
        Ok(Self {
            schema: 1,
            builder: "quick".to_owned(),
            board: builder.board.name.clone(),
            flavour: builder.flavour.to_owned(),
            versions: versions
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .into(),
            sources: sources(&builder.paths.root)?,
            files,
        })
    }

    /// Writes it into the image's folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::write(
            folder.join("manifest.json"),
            serde_json::to_string_pretty(self)? + "\n",
        )?;
        Ok(())
    }
}

/// Keys of the project's own sources that an image is made of.
pub fn sources(root: &Path) -> Result<BTreeMap<String, String>> {
    [
        ("kmod", "kmod"),
        ("userland", "userland"),
        ("overlay", "board/common/overlay"),
    ]
    .into_iter()
    .map(|(name, path)| {
        let key = Key::new(name).path(&root.join(path))?.finish();
        Ok((name.to_owned(), key))
    })
    .collect()
}

/// Files that a board's image may have. Not every board's tree is known before it runs: those of it may
/// be missing.
pub fn files(board: &Board) -> Result<Vec<&str>> {
    let mut files = vec![
        "board.dtb",
        "linux.config",
        "resdump",
        "resmem.dtbo",
        "resmem.ko",
        "rootfs.cpio",
        "rootfs.squashfs",
        board.get("LINUX_IMAGE")?,
    ];
    if !board.instrument() {
        files.extend(["boot.scr", "sdcard.img"]);
    }
    Ok(files)
}

/// SHA-256 of files of an image.
pub fn hashes(folder: &Path, names: &[&str]) -> Result<BTreeMap<String, String>> {
    names
        .iter()
        .map(|name| (name, folder.join(name)))
        .filter(|(name, file)| file.exists() || !name.contains(".dtb"))
        .map(|(name, file)| Ok(((*name).to_owned(), sha256_file(&file)?)))
        .collect()
}
