// SPDX-License-Identifier: MIT
//! The disk image: what a board boots by itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::contents;
use host::step::{Key, Step};

/// The scripts and layouts that both image builders share, below `board/common`.
const SHARED: &str = "disk";

/// Adds to `key` what a disk image depends on besides the root file system.
pub fn key(builder: &Builder<'_>, key: Key) -> Result<Key> {
    let board = builder.board;
    let mut key = key
        .path(&board.common.join(SHARED))?
        .path(&board.file("boot.cmd")?)?;
    if let Some(overlay) = board.overlay()? {
        key = key.path(&overlay)?;
    }
    for folder in &board.folders {
        for name in ["board.conf", "genimage.cfg"] {
            let file = folder.join(name);
            if file.is_file() {
                key = key.path(&file)?;
            }
        }
    }
    Ok(key)
}

/// Makes `boot.scr` and `sdcard.img` from what is in `folder`, and checks the result.
pub fn assemble(builder: &Builder<'_>, folder: &Path) -> Result<()> {
    let name = format!("disk-{}-{}", builder.board.name, builder.flavour);
    let step = Step::start(&builder.logs(), &name, "put the disk image together")?;
    make(builder, &step, folder)?;
    contents::kernel(builder.board, folder)?;
    step.done();
    Ok(())
}

/// The same as part of another step.
pub(crate) fn make(builder: &Builder<'_>, step: &Step, folder: &Path) -> Result<()> {
    let board = builder.board;
    let own = board.folders.first().context("a board has a folder")?;
    step.run(
        Command::new(board.common.join(SHARED).join("make-disk.sh"))
            .arg(own)
            .arg(folder),
    )?;
    contents::check(board, folder)
}
