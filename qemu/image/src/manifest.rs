// SPDX-License-Identifier: MIT
//! What an image consists of: versions, sources and hashes, as JSON next to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::Builder;
use crate::busybox::Busybox;
use crate::linux::Source;
use board::Board;
use board::image::Manifest;
use host::command::output_of;
use host::step::{Key, sha256_file};

/// Describes the quick image in `folder`.
pub(crate) fn describe(
    builder: &Builder<'_>,
    source: &Source,
    busybox: &Busybox,
    folder: &Path,
) -> Result<Manifest> {
    let compiler = builder.board.kernel_compiler();
    let compiler = output_of(Command::new(compiler).arg("--version"))?;
    let files = hashes(folder, &files(builder.board)?)?;
    let versions = [
        ("linux", source.origin.to_string()),
        ("busybox", busybox.origin.to_string()),
        ("rustc", builder.tools.version.clone()),
        ("cc", compiler.lines().next().unwrap_or_default().to_owned()),
    ];
    Ok(Manifest {
        schema: 1,
        builder: "quick".to_owned(),
        board: builder.board.name.clone(),
        flavour: builder.flavour.to_owned(),
        versions: versions
            .map(|(name, version)| (name.to_owned(), version))
            .into(),
        sources: sources(&builder.paths.root)?,
        files,
    })
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
        &board.conf.linux_image,
    ];
    if !board.is_detector() {
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
