// SPDX-License-Identifier: MIT
//! That an image is the same from whichever folder: `make reproducible` proves it and takes as long as a
//! build; this looks for the usual reason why it would not be.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use host::paths::Paths;
use host::settings;

use crate::frame::{self, Case, case};

/// Files that are not compressed.
const FILES: [&str; 3] = ["resmem.ko", "resdump", "rootfs.cpio"];

pub fn cases() -> Vec<Case> {
    vec![case!(host, nothing_in_the_image_names_those_it_was_built_in).flavour("appliance")]
}

fn nothing_in_the_image_names_those_it_was_built_in() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let home = settings::system("HOME").context("HOME is not set")?;
    let cargo = settings::system("CARGO_HOME").unwrap_or(PathBuf::from(home).join(".cargo").into());
    for file in FILES {
        let content = fs::read(image.file(file))?;
        for folder in [paths.root.as_os_str(), paths.cache.as_os_str(), &cargo] {
            ensure!(
                !names(&content, folder),
                "{file} contains {}",
                folder.display()
            );
        }
    }
    Ok(())
}

fn names(content: &[u8], folder: &OsStr) -> bool {
    let folder = folder.as_bytes();
    content.windows(folder.len()).any(|window| window == folder)
}
